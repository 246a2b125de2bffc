import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { loadPolicy } from "../../src/policy/load-policy.ts";
import { compileOwnAuthors, ownAuthorsSchema } from "../../src/policy/own-authors.ts";
import type { AcceptedDomain } from "../../src/policy/snapshot.ts";
import type { RelayPermission } from "../../src/smtp/relay-permission.ts";
import { createCatalog } from "../../src/stages/catalog.ts";
import { MINIMAL, policyOnDisk } from "./policy-on-disk.ts";

const user = (name: string): RelayPermission => ({ by: "password", user: name });
const NETWORK: RelayPermission = { by: "network", network: "10.0.0.0/8" };
const CERTIFICATE: RelayPermission = {
  by: "certificate",
  subject: "CN=printer.example.org",
  fingerprint256: "AB:CD",
  via: "ca",
};

/** Where `+` parts a mailbox from its tag. */
const TAGGED = { recipients: { kind: "list", tags: "+" } } as unknown as AcceptedDomain;
const DOMAINS = { find: (domain: string) => (domain === "tags.example.org" ? TAGGED : null) };

function mayWrite(file: object, relay: RelayPermission, address: string, ip = "10.1.2.3"): boolean {
  const authors = compileOwnAuthors(ownAuthorsSchema.parse(file), DOMAINS);
  assert.ok(authors);
  const at = address.lastIndexOf("@");
  const author = { localPart: address.slice(0, at), domain: address.slice(at + 1) };
  return authors.mayWriteAs(relay, ip, author);
}

test("without a mode other than off there is nothing to judge", () => {
  const named = { password: { may: { alice: ["a@example.org"] } } };
  for (const file of [{}, named, { network: { mode: "off" } }])
    assert.equal(compileOwnAuthors(ownAuthorsSchema.parse(file), DOMAINS), undefined);
});

test("each permission has a mode of its own", () => {
  const file = ownAuthorsSchema.parse({ password: { mode: "refuse" }, network: { mode: "mark" } });
  const authors = compileOwnAuthors(file, DOMAINS);
  assert.equal(authors?.modeFor(user("alice")), "refuse");
  assert.equal(authors?.modeFor(NETWORK), "mark");
  assert.equal(authors?.modeFor(CERTIFICATE), "off");
});

test("who logs on under an address writes as that address and no other", () => {
  const file = { password: { mode: "refuse" } };
  const alice = user("Alice@Example.org");
  for (const own of ["alice@example.org", "ALICE@example.org", '"alice"@example.org'])
    assert.ok(mayWrite(file, alice, own), own);
  const others = ["ceo@example.org", "alice@sub.example.org", "alice@elsewhere.test"];
  for (const other of [...others, "alice+x@example.org"])
    assert.ok(!mayWrite(file, alice, other), other);
  for (const name of ["alice", "@example.org", "*"])
    assert.ok(!mayWrite(file, user(name), "alice@example.org"), name);
});

test("a tag is its owner's to choose where the domain has tags", () => {
  const file = { password: { mode: "refuse" } };
  const alice = user("alice@tags.example.org");
  assert.ok(mayWrite(file, alice, "alice+news@tags.example.org"));
  assert.ok(!mayWrite(file, alice, "ceo+alice@tags.example.org"));
});

test("the policy names what else a user may write as, whatever the case of his name", () => {
  const may = {
    ALICE: ["Sales@example.org", "@news.example.org"],
    bob: ["*"],
    "*": ["office@example.org"],
    alice: ["events@example.org"],
  };
  const file = { password: { mode: "refuse", may } };
  for (const own of ["sales", "office", "events"])
    assert.ok(mayWrite(file, user("Alice"), `${own}@example.org`), own);
  assert.ok(mayWrite(file, user("alice"), "any@news.example.org"));
  assert.ok(!mayWrite(file, user("alice"), "any@sub.news.example.org"));
  assert.ok(!mayWrite(file, user("alice"), "bob@example.org"));
  assert.ok(mayWrite(file, user("bob"), "whoever@elsewhere.test"));
  assert.ok(!mayWrite(file, user("__proto__"), "sales@example.org"));
});

test("a client writes as any network says that holds it", () => {
  const may = { "10.1.0.0/16": ["@example.org"], "10.1.2.3": ["scan@corp.test"] };
  const file = { network: { mode: "refuse", may } };
  assert.ok(mayWrite(file, NETWORK, "scan@corp.test"));
  assert.ok(mayWrite(file, NETWORK, "any@example.org"));
  assert.ok(!mayWrite(file, NETWORK, "scan@corp.test", "10.1.2.4"));
  assert.ok(!mayWrite(file, NETWORK, "any@example.org", "10.2.0.1"));
  const all = { network: { mode: "refuse", may: { "*": ["@example.org"] } } };
  assert.ok(mayWrite(all, NETWORK, "any@example.org", "2001:db8::1"));
});

test("a certificate is named by its subject or its fingerprint", () => {
  for (const name of ["CN=printer.example.org", "ab:cd", "*"]) {
    const file = { certificate: { mode: "refuse", may: { [name]: ["p@example.org"] } } };
    assert.ok(mayWrite(file, CERTIFICATE, "p@example.org"), name);
    assert.ok(!mayWrite(file, CERTIFICATE, "q@example.org"), name);
  }
  const other = { certificate: { mode: "refuse", may: { "CN=x": ["p@example.org"] } } };
  assert.ok(!mayWrite(other, CERTIFICATE, "p@example.org"));
});

test("a name of one permission is nothing to another", () => {
  const may = { "CN=printer.example.org": ["p@example.org"], "10.1.2.3": ["p@example.org"] };
  const file = { password: { mode: "refuse", may }, certificate: { mode: "refuse" } };
  assert.ok(!mayWrite(file, CERTIFICATE, "p@example.org"));
  assert.ok(!mayWrite(file, NETWORK, "p@example.org"));
});

async function load(context: TestContext, pipeline: string) {
  const folder = await policyOnDisk(context, { ...MINIMAL, "pipeline.yaml": pipeline });
  return loadPolicy({ folder, catalog: createCatalog(), clock: createSystemClock() });
}

test("the stage runs before what looks into a message once a mode is set", async (context) => {
  const policy = await load(context, "outbound: { ownAuthors: { password: { mode: mark } } }\n");
  const { steps } = policy.plans.outbound.phases.data;
  assert.deepEqual(
    steps.flat().map(({ name }) => name),
    ["own-author", "attachments", "antivirus"],
  );
});

test("a mode that no stage heeds is a mistake", async (context) => {
  const written = `outbound:
  ownAuthors: { password: { mode: refuse } }
  phases: { data: { steps: [[antivirus]] } }
`;
  await assert.rejects(load(context, written), {
    message:
      /pipeline\.yaml:2:\d+ {2}outbound\.ownAuthors: stage `own-author`, which this needs, is not in pipeline\.yaml$/,
  });
  const placed = written.replace("[[antivirus]]", "[[antivirus], [own-author]]");
  const { plans } = await load(context, placed);
  assert.equal(plans.outbound.phases.data.steps.length, 2);
});

test("mistakes are told with their place", async (context) => {
  const written = `outbound:
  ownAuthors:
    password: { mode: sign, may: { alice: [nobody] } }
    network: { may: { 10.0.0.300: [] } }
    anybody: {}
`;
  await assert.rejects(load(context, written), (error: Error) => {
    const at = String.raw`pipeline\.yaml:3:\d+ {2}outbound\.ownAuthors\.password`;
    assert.match(error.message, new RegExp(`${at}\\.mode: expected one of off, mark, unsigned`));
    assert.match(error.message, new RegExp(`${at}\\.may\\.alice\\.0: expected an address`));
    assert.match(error.message, /4:\d+ {2}.*: expected an IP address, a network such as/);
    assert.match(error.message, /5:5 {2}.*: unknown key `anybody`/);
    return true;
  });
});
