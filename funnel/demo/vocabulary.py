"""The words of the demo: people, companies, titles, and what the imaginary vendor "Tidewell" publishes and sells.

Every domain ends in .example and every phone number is from a range kept free for fiction, so that nothing sent
from a demo can reach a real person.
"""


def _listed(words: str) -> tuple[str, ...]:
    return tuple(words.split())


PRODUCT = "Tidewell"

FIRST_NAMES = _listed("""
    Ada Agnes Aisha Alba Alejandro Amara Amir Anders Andrea Anika Anna Antoine Arjun Astrid Beatriz Benedikt
    Bianca Birgit Bram Bruno Camille Carla Carlos Caroline Cecilia Chiara Chloe Christoph Clara Claudia Conor Daan
    Daniel Daria David Deepa Diego Dominik Eleni Elias Elif Elisa Emeka Emil Emma Enzo Erik Esther Eva Farah
    Fatima Felix Fernanda Filip Fiona Florian Francesca Freya Gabriel Georg Giulia Grace Greta Gustav Hanna Hannes
    Hassan Helena Henrik Hugo Ida Ines Ingrid Irina Isabel Ivan Jakob James Jana Jasmin Javier Joana Johan Jonas
    Jordi Josef Judith Julia Kamal Karin Kasper Katarina Kenji Khadija Kirsten Klara Konrad Lars Laura Lea Leila
    Leon Lena Liam Lina Lisa Lorenzo Louise Luca Lucia Lukas Magnus Maja Malik Marc Maren Maria Marta Martin Mateo
    Matilda Maya Mehmet Mia Milan Mina Mira Miriam Mohamed Monika Nadia Naomi Natalia Nele Niklas Nina Noah Nora
    Olga Oliver Olivia Omar Oscar Paolo Patrick Paul Paula Pavel Petra Philip Pia Priya Rachel Rafael Ravi Rebecca
    Renata Ricardo Rosa Ruth Sabine Samir Samuel Sandra Sara Sebastian Selma Simon Sofia Stefan Sven Tamara Tania
    Teresa Theo Thomas Tim Tobias Ulrike Valentina Vera Victor Vikram Viola Wei Wiebke William Yara Yasmin Yuki
    Zara Zoe
""")

LAST_NAMES = _listed("""
    Abebe Adeyemi Ahlberg Alvarez Andersen Baker Barros Baumann Becker Bellini Bergman Bernard Bianchi Blanco
    Boateng Bonnet Brandt Braun Brennan Brown Campos Carter Castro Chen Christensen Clarke Collins Conti Cooper
    Costa Cruz Dahl Davies Dekker Delgado Diallo Dietrich Dubois Duarte Eriksen Evans Farkas Fernandes Ferrari
    Fischer Fontaine Foster Franke Fuchs Gallo Garcia Gauthier Georgiou Gomes Graf Greco Green Gupta Haas Hakimi
    Hansen Hartmann Hassan Heikkinen Henderson Herrera Hoffmann Holm Horvat Hughes Ibrahim Iyer Jansen Jensen
    Johansson Jovanovic Kaiser Kaya Keller Kelly Khan Kim Klein Koch Kowalski Kraus Kumar Lambert Lange Larsen
    Laurent Lehmann Leroy Lindgren Lopez Lorenz Lund Maier Mancini Marchetti Marin Martel Mehta Meyer Moreau
    Moreno Morgan Moretti Muller Murphy Nagy Nakamura Navarro Neumann Nguyen Nielsen Novak Nowak Okafor Olsen
    Ortega Osei Ozturk Palmer Papadakis Park Patel Pereira Petersen Petrov Pham Pinto Popescu Powell Ramos Reid
    Reyes Ricci Richter Rivera Roberts Rossi Roth Rousseau Ruiz Russo Ryan Salvi Sanchez Santos Sato Schmidt
    Schneider Schubert Silva Singh Sokolov Sorensen Stein Suzuki Svensson Takahashi Taylor Tran Turner Vargas
    Vasquez Vogel Wagner Walker Wallin Watanabe Weber Weiss White Wilson Winkler Wright Yilmaz Young Zhang Ziegler
    Zimmermann
""")

# A company is "<stem> <line of business>", beyond those combinations "<stem> <line of business> <place>".
COMPANY_STEMS = _listed("""
    Alder Amber Anchor Arbor Aspen Atlas Aurora Axle Banner Basalt Beacon Birch Bluestone Bramble Bridgewater
    Brightwater Calder Cardinal Cascade Castell Cedar Cinder Clearfield Cobalt Compass Copper Coral Cornerstone
    Crestline Cypress Dapple Delphi Driftwood Eastgate Elmwood Ember Everline Fairmont Falcon Fernbrook Firth
    Flint Foxglove Garnet Glacier Granite Greenfield Harbour Hawthorn Heather Heron Highland Hollow Horizon Indigo
    Ironwood Ivory Jasper Juniper Kestrel Keystone Lakeside Larch Lark Laurel Linden Lodestar Lumen Magnolia Maple
    Meadow Meridian Millbrook Mistral Moorland Mosaic Nettle Nimbus Northgate Oakridge Onyx Orchard Osprey Otter
    Palisade Pebble Pine Pinnacle Poplar Prairie Quarry Quartz Quill Raven Redwood Ridgeway Riverbend Rowan
    Saffron Sandstone Sequoia Sierra Silverline Slate Solstice Sparrow Spruce Stonebridge Summit Sycamore Tamarind
    Terrace Thistle Timber Trellis Tundra Umber Valley Verdant Vesper Vista Walnut Waterford Westbrook Wharf
    Willow Windward Wren Yarrow Zephyr
""")

# Industry, share of companies, lines of business.
INDUSTRIES: tuple[tuple[str, float, tuple[str, ...]], ...] = (
    ("software", 0.17, ("Software", "Systems", "Analytics", "Cloud")),
    ("manufacturing", 0.15, ("Works", "Tooling", "Components", "Packaging")),
    ("logistics", 0.15, ("Logistics", "Freight", "Shipping", "Warehousing")),
    ("finance", 0.09, ("Capital", "Insurance", "Leasing", "Payments")),
    ("healthcare", 0.09, ("Clinics", "Medical", "Diagnostics", "Pharma")),
    ("education", 0.06, ("Academy", "Learning", "Institute", "College")),
    ("retail", 0.1, ("Stores", "Outfitters", "Grocers", "Home")),
    ("construction", 0.06, ("Builders", "Interiors", "Engineering", "Roofing")),
    ("media", 0.05, ("Studio", "Press", "Films", "Agency")),
    ("hospitality", 0.04, ("Hotels", "Catering", "Events", "Travel")),
    ("agriculture", 0.02, ("Farms", "Orchards", "Dairy", "Seeds")),
    ("non-profit", 0.02, ("Foundation", "Club", "Society", "Trust")),
)

PLACES = _listed("""
    Aarhus Antwerp Basel Bergen Bilbao Bologna Bremen Bristol Brno Cardiff Cork Dresden Dublin Essen Florence
    Galway Gdansk Genoa Ghent Graz Hamburg Helsinki Innsbruck Krakow Leeds Leipzig Lille Linz Lisbon Lyon Malmo
    Mainz Nantes Odense Oslo Padua Porto Rennes Riga Rotterdam Seville Tampere Turin Utrecht Valencia Verona
    Vilnius York Zagreb Zurich
""")

# Country, share of companies, prefix of phone numbers that its regulator keeps free, and how many digits follow.
COUNTRIES: tuple[tuple[str, float, str, int], ...] = (
    ("Germany", 0.24, "+49 30 23125 ", 3),
    ("United Kingdom", 0.2, "+44 20 7946 0", 3),
    ("United States", 0.2, "+1 202 555 01", 2),
    ("France", 0.12, "+33 1 99 00 1", 3),
    ("Ireland", 0.08, "+353 20 913 ", 4),
    ("Australia", 0.08, "+61 2 5550 ", 4),
    ("Canada", 0.08, "+1 613 555 01", 2),
)

# Job title and its share of people.
TITLES: tuple[tuple[str, float], ...] = (
    ("Head of Operations", 0.07),
    ("Operations Manager", 0.08),
    ("Logistics Manager", 0.06),
    ("Supply Chain Director", 0.05),
    ("IT Manager", 0.06),
    ("VP Operations", 0.03),
    ("Chief Operating Officer", 0.03),
    ("Chief Financial Officer", 0.02),
    ("Chief Information Officer", 0.02),
    ("Founder", 0.02),
    ("Owner", 0.03),
    ("Warehouse Manager", 0.06),
    ("Head of Procurement", 0.04),
    ("Purchasing Director", 0.02),
    ("Planner", 0.07),
    ("Business Analyst", 0.07),
    ("Consultant", 0.05),
    ("Software Engineer", 0.05),
    ("Project Coordinator", 0.05),
    ("Dispatcher", 0.03),
    ("Accountant", 0.03),
    ("Marketing Specialist", 0.03),
    ("Student", 0.015),
    ("Intern", 0.015),
)

ASSETS = (
    "The planner's handbook",
    "Warehouse costs: a benchmark of 400 sites",
    "Ten questions before you buy planning software",
    "Checklist: moving off spreadsheets in a week",
    "Case study: Harbour Freight halves its overtime",
    "The forecast accuracy calculator",
)
WEBINARS = (
    "Planning with half the data",
    "From spreadsheet to plan in a day",
    "What good forecasts have in common",
    "Peak season without night shifts",
)
FAIRS = ("Logistics Days Hamburg", "Warehouse Expo Birmingham", "Supply Chain Forum Lyon", "Operations Summit Boston")
PAGES = (
    "/",
    "/product",
    "/product/forecasting",
    "/product/shifts",
    "/customers",
    "/pricing",
    "/blog/forecasting-for-the-rest-of-us",
    "/blog/why-plans-fail-on-tuesdays",
    "/blog/the-cost-of-a-missing-pallet",
    "/about",
    "/security",
    "/docs/getting-started",
)
CAMPAIGNS = (
    "Spring newsletter",
    "Summer newsletter",
    "Autumn newsletter",
    "Planning week",
    "Peak season series",
    "Product news",
    "Benchmark report",
)
OUTREACH = ("Operations leaders, first touch", "Warehouses over 100 people", "Fair follow-up")
POSTS = (
    "Why plans fail on Tuesdays",
    "Forecasting for the rest of us",
    "The cost of a missing pallet",
    "Three shifts, one plan",
)
QUESTIONS = (
    "Does it read our ERP's stock levels?",
    "Can two sites share one plan?",
    "How long does a rollout take for 300 people?",
    "Is there an audit log?",
)
CALL_NOTES = (
    "Walked through the current planning process.",
    "Wants to replace spreadsheets before the peak season.",
    "Asked for references from a similar warehouse.",
    "Budget is set in January; wants a quote before.",
    "Compared us with the incumbent; liked the forecasting.",
)
MEETING_NOTES = (
    "Demo with the operations team, good questions about shifts.",
    "Agreed on a pilot at one site.",
    "Went through the quote with procurement.",
    "Security review with IT, nothing open.",
)
PLANS = (("Team", 4_800), ("Business", 14_400), ("Business", 21_600), ("Enterprise", 48_000))
RETURN_NOTES: dict[str, tuple[str, ...]] = {
    "no_response": ("Three calls and two mails, no answer.", "Did not come to the meeting and does not reply."),
    "no_want": ("Only looking around for a thesis.", "Happy with what they have."),
    "cannot_buy_now": ("No budget until next fiscal year.", "In the middle of a merger; ask again in spring."),
    "no_authority": ("Cannot decide, and will not name who can.", "Gathers information for somebody else."),
    "no_means": ("The budget was cut.", "Far too small to pay for it."),
    "bad_data": ("The number belongs to somebody else.",),
    "duplicate": ("Same person as another contact.",),
    "other": ("Moved to another company.",),
}
WIN_NOTES = ("Signed the order form.", "Verbal yes, order form followed the same day.", "Pilot turned into a contract.")
CHURN_REASONS = ("Site closed", "Moved to the group's own system", "Price")
SCANNER_REASONS = ("Clicked within seconds of delivery", "Every link clicked in one second", "Known mail scanner")

# People of Sales who stand in when an installation has none yet.
STAND_IN_REPS = (("Mara", "Lindqvist"), ("Tomas", "Okonkwo"))
