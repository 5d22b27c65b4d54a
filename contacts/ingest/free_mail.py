"""Mailboxes that say nothing about an employer: free mail, mail of access providers, throw-away and forwarding mail.

A domain belongs here when anybody, not only the people of one organisation, can have an address there. Compiled from
what the providers themselves offer to the public:

- the sign-up pages of the large free mailers, whose national domains follow a pattern (``FAMILIES``);
- the free mail and customers' mail of portals and access providers, by country (``NATIONAL``);
- services that lend an address for minutes or hide one behind another (``THROW_AWAY``, ``RELAYS``).

Domains that a provider also gives to its own staff are here as well: for one employee wrongly without a company a
thousand customers would be with the wrong one. Compared exactly: ``mail.acme.example`` is not ``acme.example``.
"""

import re
from functools import lru_cache
from typing import Final

# Brands that nobody else may bear, under whatever country: yahoo.co.jp, hotmail.com.br, outlook.de, gmx.at.
FAMILIES: Final = re.compile(
    r"(?:aol|gmx|googlemail|hotmail|netscape|outlook|rocketmail|windowslive|yahoo|yandex|ymail)"
    r"\.(?:[a-z]{2}|com?\.[a-z]{2}|com|net|biz)"
)

WORLDWIDE: Final = frozenset(
    {
        "126.com", "139.com", "163.com", "188.com", "21cn.com", "aim.com", "alice.com", "aliyun.com", "asia.com",
        "att.net", "bellsouth.net", "bigfoot.com", "bk.ru", "canada.com", "ctemplar.com", "cock.li", "compuserve.com",
        "consultant.com", "contractor.net", "cyberdude.com", "cyberservices.com", "disroot.org", "dr.com",
        "earthlink.net", "elude.in", "email.com", "engineer.com", "europe.com", "excite.com", "fastmail.com",
        "fastmail.fm", "fastmail.net", "fastmail.org", "flashmail.com", "foxmail.com", "freemail.com", "gmail.com",
        "gmx.us", "graduate.org", "hey.com", "hotmail.be", "hushmail.com", "hush.ai", "hush.com", "icloud.com",
        "iname.com", "inbox.com", "inbox.ru", "internet.ru", "iname.net", "juno.com", "keemail.me",
        "kolabnow.com", "lavabit.com",
        "live.at", "live.be", "live.ca", "live.cl", "live.cn", "live.co.uk", "live.co.za", "live.com", "live.com.ar",
        "live.com.au", "live.com.mx", "live.com.my", "live.com.pt", "live.com.sg", "live.de", "live.dk", "live.fi",
        "live.fr", "live.hk", "live.ie", "live.in", "live.it", "live.jp", "live.nl", "live.no", "live.ru", "live.se",
        "list.ru", "lycos.com", "mac.com", "mail.com", "mail.ru", "mail2world.com", "mailbox.org", "mailfence.com",
        "mailo.com", "me.com", "msn.com", "muchomail.com", "my.com", "myself.com", "netaddress.com", "netzero.net",
        "null.net", "onmail.com", "opayq.com", "passport.com", "photographer.net", "planetmail.com", "pm.me",
        "post.com", "posteo.net", "prodigy.net", "programmer.net", "proton.me", "protonmail.ch", "protonmail.com",
        "qq.com", "rambler.ru", "rediffmail.com", "riseup.net", "runbox.com", "safe-mail.net", "sina.cn", "sina.com",
        "skiff.com", "sohu.com", "startmail.com", "techie.com", "tom.com", "tuta.com", "tuta.io", "tutamail.com",
        "tutanota.com", "tutanota.de", "usa.com", "usa.net", "vip.163.com", "vip.qq.com", "vivaldi.net", "wo.cn",
        "workmail.com", "writeme.com", "ya.ru", "yeah.net", "zoho.com", "zoho.eu", "zoho.in", "zohomail.com",
        "zohomail.eu", "zohomail.in",
    }
)  # fmt: skip

NATIONAL: Final = frozenset(
    {
        # Austria, Germany, Switzerland
        "aon.at", "chello.at", "inode.at", "kabsi.at", "utanet.at", "a1.net", "1und1.de", "alice-dsl.net", "arcor.de",
        "email.de", "ewe.net", "ewetel.net", "freenet.de", "freenetmail.de", "gmx.eu", "htp-tel.de", "kabelmail.de",
        "kabelbw.de", "mail.de", "mailbox.de", "netcologne.de", "o2mail.de", "o2online.de", "online.de",
        "onlinehome.de", "osnanet.de", "posteo.de", "smart-mail.de", "t-online.de", "tele2.de", "unitybox.de",
        "unity-mail.de", "versanet.de", "vodafone.de", "vodafonemail.de", "web.de", "bluewin.ch", "bluemail.ch",
        "hispeed.ch", "sunrise.ch", "swissonline.ch", "quickline.ch", "gmail.ch",
        # Belgium, Luxembourg, the Netherlands
        "belgacom.net", "pandora.be", "proximus.be", "scarlet.be", "skynet.be", "telenet.be", "voo.be", "pt.lu",
        "chello.nl", "hetnet.nl", "home.nl", "kpnmail.nl", "kpnplanet.nl", "planet.nl", "quicknet.nl", "solcon.nl",
        "tele2.nl", "upcmail.nl", "versatel.nl", "xs4all.nl", "zeelandnet.nl", "ziggo.nl", "zonnet.nl", "casema.nl",
        # Denmark, Finland, Iceland, Norway, Sweden
        "mail.dk", "stofanet.dk", "tdcadsl.dk", "webspeed.dk", "youmail.dk", "elisanet.fi", "kolumbus.fi",
        "luukku.com", "pp.inet.fi", "saunalahti.fi", "suomi24.fi", "simnet.is", "broadpark.no", "frisurf.no",
        "getmail.no", "lyse.net", "online.no", "start.no", "bredband.net", "comhem.se", "home.se", "spray.se",
        "swipnet.se", "tele2.se", "telia.com",
        # France
        "9online.fr", "aliceadsl.fr", "bbox.fr", "cegetel.net", "club-internet.fr", "dbmail.com", "free.fr",
        "gmail.fr", "laposte.net", "libertysurf.fr", "neuf.fr", "noos.fr", "numericable.fr", "orange.fr", "sfr.fr",
        "tele2.fr", "voila.fr", "wanadoo.fr",
        # Italy, Malta
        "alice.it", "aruba.it", "email.it", "fastwebnet.it", "inwind.it", "iol.it", "libero.it", "live.com.mt",
        "pec.it", "tim.it", "tin.it", "tiscali.it", "tiscalinet.it", "vodafone.it", "virgilio.it", "onvol.net",
        # Spain, Portugal
        "jazztel.es", "movistar.es", "ono.com", "orange.es", "telefonica.net", "terra.es", "wanadoo.es", "ya.com",
        "clix.pt", "iol.pt", "mail.telepac.pt", "netcabo.pt", "sapo.pt", "vodafone.pt",
        # Ireland, the United Kingdom
        "eircom.net", "indigo.ie", "iol.ie", "blueyonder.co.uk", "btinternet.com", "btopenworld.com", "freeserve.co.uk",
        "fsmail.net", "lineone.net", "ntlworld.com", "o2.co.uk", "orange.net", "plus.net", "plusnet.com", "sky.com",
        "supanet.com", "talk21.com", "talktalk.net", "tesco.net", "tiscali.co.uk", "virgin.net", "virginmedia.com",
        "wanadoo.co.uk",
        # Albania to Ukraine
        "abv.bg", "dir.bg", "gbg.bg", "mail.bg", "net.hr", "inet.hr", "t-com.hr", "vip.hr", "atlas.cz", "centrum.cz",
        "email.cz", "post.cz", "quick.cz", "seznam.cz", "tiscali.cz", "volny.cz", "azet.sk", "centrum.sk", "pobox.sk",
        "post.sk", "zoznam.sk", "hot.ee", "mail.ee", "online.ee", "citromail.hu", "freemail.hu", "indamail.hu",
        "t-online.hu", "upcmail.hu", "vipmail.hu", "inbox.lv", "apollo.lv", "one.lt", "takas.lt", "zebra.lt",
        "autograf.pl", "buziaczek.pl", "gazeta.pl", "go2.pl", "interia.eu", "interia.pl", "int.pl", "o2.pl", "onet.eu",
        "onet.pl", "op.pl", "poczta.fm", "poczta.onet.pl", "tlen.pl", "vp.pl", "wp.eu", "wp.pl", "home.ro",
        "rdslink.ro", "yahoo.ro", "eunet.rs", "ptt.rs", "sbb.rs", "amis.net", "siol.net", "telemach.net", "t-2.net",
        "bigmir.net", "i.ua", "meta.ua", "ua.fm", "ukr.net", "tut.by", "mail.by",
        # Greece, Cyprus, Turkey
        "forthnet.gr", "freemail.gr", "hol.gr", "in.gr", "otenet.gr", "pathfinder.gr", "cytanet.com.cy",
        "mynet.com", "superonline.com", "ttmail.com", "turk.net",
        # Israel, the Gulf, Africa
        "012.net.il", "bezeqint.net", "netvision.net.il", "walla.co.il", "walla.com", "zahav.net.il", "emirates.net.ae",
        "eim.ae", "maktoob.com", "menara.ma", "afrihost.co.za", "iafrica.com", "mweb.co.za", "telkomsa.net",
        "vodamail.co.za", "webmail.co.za",
        # India to Vietnam
        "in.com", "indiatimes.com", "rediff.com", "sify.com", "vsnl.com", "vsnl.net", "cbn.net.id", "plasa.com",
        "telkom.net", "docomo.ne.jp", "excite.co.jp", "ezweb.ne.jp", "goo.jp", "infoseek.jp", "nifty.com",
        "ocn.ne.jp", "softbank.ne.jp", "so-net.ne.jp", "biglobe.ne.jp", "i.softbank.jp", "chol.com", "daum.net",
        "dreamwiz.com", "empas.com", "hanmail.net", "hanafos.com", "korea.com", "nate.com", "naver.com", "streamyx.com",
        "tm.net.my", "pacific.net.sg", "singnet.com.sg", "starhub.net.sg", "hinet.net", "pchome.com.tw", "seed.net.tw",
        "netvigator.com", "fpt.vn", "vnn.vn",
        # Australia, New Zealand
        "adam.com.au", "bigpond.com", "bigpond.net.au", "dodo.com.au", "iinet.net.au", "internode.on.net",
        "iprimus.com.au", "optusnet.com.au", "ozemail.com.au", "tpg.com.au", "westnet.com.au", "clear.net.nz",
        "orcon.net.nz", "paradise.net.nz", "slingshot.co.nz", "vodafone.co.nz", "xtra.co.nz",
        # Canada, the United States
        "bell.net", "cogeco.ca", "eastlink.ca", "mts.net", "rogers.com", "sasktel.net", "shaw.ca", "sympatico.ca",
        "telus.net", "videotron.ca", "adelphia.net", "aol.net", "cableone.net", "centurylink.net", "centurytel.net",
        "charter.net", "comcast.net", "cox.net", "embarqmail.com", "flash.net", "frontier.com", "frontiernet.net",
        "hughes.net", "insightbb.com", "mchsi.com", "mindspring.com", "nycap.rr.com", "optimum.net", "optonline.net",
        "pacbell.net", "peoplepc.com", "q.com", "roadrunner.com", "rr.com", "sbcglobal.net", "spectrum.net",
        "suddenlink.net", "swbell.net", "tds.net", "twc.com", "verizon.net", "windstream.net", "wowway.com",
        # Latin America
        "arnet.com.ar", "ciudad.com.ar", "fibertel.com.ar", "speedy.com.ar", "bol.com.br", "globo.com", "globomail.com",
        "ibest.com.br", "ig.com.br", "oi.com.br", "pop.com.br", "r7.com", "superig.com.br", "terra.com.br",
        "uol.com.br", "zipmail.com.br", "vtr.net", "terra.cl", "une.net.co", "etb.net.co", "prodigy.net.mx",
        "infinitum.com.mx", "terra.com.mx", "terra.com.pe", "adinet.com.uy", "cantv.net",
    }
)  # fmt: skip

# They hide the real address behind one of their own: who is behind it is a private person as a rule.
RELAYS: Final = frozenset(
    {
        "33mail.com", "addy.io", "aleeas.com", "anonaddy.com", "anonaddy.me", "duck.com", "mozmail.com",
        "passmail.net", "privaterelay.appleid.com", "relay.firefox.com", "simplelogin.co", "simplelogin.com",
        "simplelogin.fr", "slmail.me", "slmails.com", "spamgourmet.com",
    }
)  # fmt: skip

THROW_AWAY: Final = frozenset(
    {
        "0815.ru", "10minutemail.com", "10minutemail.net", "1secmail.com", "1secmail.net", "1secmail.org",
        "20minutemail.com", "33m.co", "anonbox.net", "binkmail.com", "bobmail.info", "burnermail.io", "byom.de",
        "chammy.info", "cuvox.de", "dayrep.com", "deadaddress.com", "discard.email", "discardmail.com",
        "discardmail.de", "dispostable.com", "dodgeit.com", "dodgit.com", "dropmail.me", "e4ward.com", "einrot.com",
        "emailfake.com", "emailondeck.com", "emailsensei.com", "emltmp.com", "fakeinbox.com", "fakemail.net",
        "fakemailgenerator.com", "fleckens.hu", "getairmail.com", "getnada.com", "gishpuppy.com", "grr.la",
        "guerrillamail.biz", "guerrillamail.com", "guerrillamail.de", "guerrillamail.info", "guerrillamail.net",
        "guerrillamail.org", "guerrillamailblock.com", "gustr.com", "harakirimail.com", "inboxbear.com",
        "inboxkitten.com", "incognitomail.org", "jetable.org", "jourrapide.com", "kasmail.com", "kurzepost.de",
        "linshiyouxiang.net", "mail-temp.com", "mail-temporaire.fr", "mail.tm", "mailcatch.com", "maildrop.cc",
        "mailexpire.com", "mailforspam.com", "mailinator.com", "mailinator.net", "mailinator2.com", "mailmoat.com",
        "mailnesia.com", "mailnull.com", "mailpoof.com", "mailsac.com", "mailtothis.com", "meltmail.com",
        "minuteinbox.com", "mintemail.com", "moakt.cc", "moakt.com", "mohmal.com", "mt2015.com", "mvrht.net",
        "mytemp.email", "mytrashmail.com", "nada.email", "nowmymail.com", "objectmail.com", "one-time.email",
        "pokemail.net", "proxymail.eu", "rcpt.at", "receiveee.com", "rhyta.com", "safetymail.info", "sharklasers.com",
        "shieldedmail.com", "smashmail.de", "sofort-mail.de", "spam.la", "spam4.me", "spambog.com", "spambog.de",
        "spambox.us", "spamex.com", "spamfree24.org", "spamgourmet.net", "spammotel.com", "superrito.com",
        "suremail.info", "teleworm.us", "temp-mail.io", "temp-mail.org", "tempail.com", "tempinbox.com",
        "tempmail.com", "tempmail.de", "tempmail.dev", "tempmail.net", "tempmail.plus", "tempmailo.com", "tempr.email",
        "temporarymail.com", "thankyou2010.com", "throwawaymail.com", "throwam.com", "tmail.ws", "tmailinator.com",
        "tmpmail.net", "tmpmail.org", "trash-mail.at", "trash-mail.com", "trash-mail.de", "trashmail.at",
        "trashmail.com", "trashmail.de", "trashmail.me", "trashmail.net", "trashmail.ws", "trbvm.com",
        "wegwerfemail.de", "wegwerfmail.de", "wegwerfmail.net", "wegwerfmail.org", "yopmail.com", "yopmail.fr",
        "yopmail.net", "zetmail.com",
    }
)  # fmt: skip

_LISTED: Final = WORLDWIDE | NATIONAL | RELAYS | THROW_AWAY


@lru_cache(maxsize=16_384)
def is_free_mail(domain: str) -> bool:
    """Tell whether anybody can have an address at this domain (lower case), so that it names no employer."""
    return domain in _LISTED or FAMILIES.fullmatch(domain) is not None
