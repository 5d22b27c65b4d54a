// Sends 1,000 mixed calls with each of three SDKs through a proxy that fails now and then, and checks through the API
// that each message was stored once and that every person is one contact with all their events.
//
//   npm install
//   RIPEN_URL=http://127.0.0.1:8000 RIPEN_KEY=rpn_src_... node thousand.js [segment|rudderstack|posthog ...]
//
// The key needs the scopes events:write and contacts:read.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

import { Analytics } from "@segment/analytics-node";
import RudderAnalytics from "@rudderstack/rudder-sdk-node";
import { PostHog } from "posthog-node";

import { flakyProxy } from "./flaky-proxy.js";

const URL_OF_RIPEN = process.env.RIPEN_URL ?? "http://127.0.0.1:8000";
const KEY = process.env.RIPEN_KEY;
const PEOPLE = 100;
const KINDS = [
  "asset_downloaded", "demo_requested", "form_submitted", "newsletter_subscribed",
  "page_viewed", "page_viewed", "page_viewed",
];

function personOf(run, number) {
  return {
    user: `user-${run}-${number}`,
    email: `person${number}.${run}@thousand.test`,
    visitor: randomUUID(),
    otherVisitor: randomUUID(),
    company: `Company ${number % 10} of ${run}`,
  };
}

const traitsOf = (person) => ({ email: person.email, firstName: "Ada", title: "Head of Operations", plan: "Team" });

// Ten calls as the Segment spec names them.
function segmentCalls(client, person) {
  const { user: userId, visitor, otherVisitor, company } = person;
  client.page({ anonymousId: visitor, name: "Home", properties: { url: "https://us.test/" } });
  client.page({ anonymousId: visitor, name: "Pricing", properties: { url: "https://us.test/pricing" } });
  client.track({ anonymousId: visitor, event: "Newsletter Subscribed" });
  client.identify({ userId, anonymousId: visitor, traits: traitsOf(person) });
  client.track({ userId, event: "Demo Requested", properties: { plan: "Team" } });
  client.page({ userId, name: "Docs" });
  client.group({ userId, groupId: company, traits: { name: company, employees: 200 } });
  client.track({ anonymousId: otherVisitor, event: "Asset Downloaded" });
  client.alias({ previousId: otherVisitor, userId });
  client.track({ userId, event: "Form Submitted" });
}

// The same ten as PostHog's library names them.
function posthogCalls(client, person) {
  const { user: distinctId, visitor, otherVisitor, company } = person;
  const unknown = { $process_person_profile: false };
  const capture = (id, event, properties = {}) => client.capture({ distinctId: id, event, properties });
  capture(visitor, "$pageview", { ...unknown, $current_url: "https://us.test/" });
  capture(visitor, "$pageview", { ...unknown, $pathname: "/pricing" });
  capture(visitor, "Newsletter Subscribed", unknown);
  client.identify({ distinctId, properties: { $set: traitsOf(person), $anon_distinct_id: visitor } });
  capture(distinctId, "Demo Requested", { plan: "Team" });
  capture(distinctId, "$pageview");
  client.groupIdentify({
    groupType: "company", groupKey: company, distinctId, properties: { name: company, employees: 200 },
  });
  capture(otherVisitor, "Asset Downloaded");
  client.alias({ distinctId, alias: otherVisitor });
  capture(distinctId, "Form Submitted");
}

const SDKS = {
  async segment(host, people) {
    const client = new Analytics({ writeKey: KEY, host, flushAt: 100, flushInterval: 100, maxRetries: 10 });
    const errors = [];
    client.on("error", (error) => errors.push(error));
    // Each batch waits its turn: the messages of one person are to arrive in their order.
    for (const tens of chunked(people, 10)) {
      tens.forEach((person) => segmentCalls(client, person));
      await client.flush({ timeout: 60_000 });
    }
    await client.closeAndFlush({ timeout: 60_000 });
    assert.deepEqual(errors, []);
  },
  async rudderstack(host, people) {
    const client = new RudderAnalytics(KEY, {
      dataPlaneUrl: host, flushAt: 100, flushInterval: 100, retryCount: 10, logLevel: "none",
    });
    for (const tens of chunked(people, 10)) {
      tens.forEach((person) => segmentCalls(client, person));
      await client.flush();
    }
    await client.flush();
  },
  async posthog(host, people) {
    const client = new PostHog(KEY, { host, flushAt: 100, flushInterval: 100, fetchRetryCount: 10, fetchRetryDelay: 500 });
    const errors = [];
    client.on("error", (error) => errors.push(error));
    for (const tens of chunked(people, 10)) {
      tens.forEach((person) => posthogCalls(client, person));
      await client.flush();
    }
    await client.shutdown(60_000);
    assert.deepEqual(errors, []);
  },
};

function* chunked(items, size) {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}

async function ask(path) {
  const answer = await fetch(`${URL_OF_RIPEN}${path}`, { headers: { Authorization: `Bearer ${KEY}` } });
  const body = await answer.json();
  assert.equal(answer.status, 200, JSON.stringify(body));
  return body;
}

// The two visitors of a person are merged right after the message that names both.
async function contactOf(person) {
  for (const deadline = Date.now() + 60_000; ; await sleep(200)) {
    const [contact] = (await ask(`/api/v1/contacts/?email=${encodeURIComponent(person.email)}`)).results;
    const values = new Set((contact?.identities ?? []).map((identity) => identity.value));
    if (values.size === 4) return contact;
    assert.ok(Date.now() < deadline, `${person.email} is not one contact: ${JSON.stringify(contact)}`);
  }
}

async function check(person) {
  const contact = await contactOf(person);
  const values = contact.identities.map((identity) => identity.value).sort();
  const names = [person.user, person.email, person.visitor, person.otherVisitor].sort();
  assert.deepEqual([...new Set(values)], names);
  assert.equal(contact.first_name, "Ada");
  assert.equal(contact.job_title, "Head of Operations");
  assert.deepEqual(contact.attributes, { plan: "Team" });
  assert.equal(contact.company.name, person.company);
  assert.equal(contact.company.employees, 200);
  const events = (await ask(`/api/v1/contacts/${contact.id}/events/`)).results;
  assert.deepEqual(events.map((event) => event.kind).sort(), KINDS);
  assert.equal(new Set(events.map((event) => event.message_id)).size, KINDS.length);
}

assert.ok(KEY, "Set RIPEN_KEY to the key of a source with the scopes events:write and contacts:read.");
const chosen = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(SDKS);
for (const sdk of chosen) {
  const run = randomUUID().slice(0, 8);
  const people = Array.from({ length: PEOPLE }, (_, number) => personOf(run, number));
  const proxy = await flakyProxy(URL_OF_RIPEN);
  try {
    await SDKS[sdk](proxy.url, people);
  } finally {
    proxy.close();
  }
  assert.deepEqual(proxy.seen.refused.toSorted?.() ?? [...proxy.seen.refused].sort(), [429, 502, 503]);
  assert.deepEqual([...new Set(proxy.seen.answers)], [200]);
  for (const person of people) await check(person);
  console.log(`${sdk}: ${PEOPLE * 10} calls through ${proxy.seen.refused.join(", ")}; each stored once, ${PEOPLE} people`);
}
