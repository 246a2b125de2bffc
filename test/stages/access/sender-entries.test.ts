import assert from "node:assert/strict";
import { test } from "node:test";
import { parseMailbox } from "../../../src/mail/address.ts";
import { accessOptions } from "../../../src/stages/access/access-options.ts";

const NOW = Date.UTC(2027, 0, 1);

/** The entries for a sender by what they matched, `-` before those that block. */
function find(file: unknown, sender: string, at = NOW): readonly string[] {
  const mailbox = parseMailbox(sender);
  assert.ok(mailbox, sender);
  return accessOptions
    .parse(file)
    .findSender(mailbox, at)
    .map(({ list, match }) => (list === "block" ? `-${match}` : match));
}

const blocked = (sender: object) => ({ block: [{ sender, reason: "x" }] });
const allowed = (sender: object) => ({ allow: [{ sender, reason: "x" }] });

test("an address, a domain alone, and a domain with all below it are three things", () => {
  const file = blocked({
    addresses: ["sales@one.test"],
    domains: ["two.test"],
    domainsAndSubdomains: ["three.test"],
  });
  for (const [sender, match] of [
    ["sales@one.test", "-sales@one.test"],
    ["bob@one.test", null],
    ["sales@mail.one.test", null],
    ["bob@two.test", "-two.test"],
    ["bob@mail.two.test", null],
    ["bob@three.test", "-three.test"],
    ["bob@a.b.three.test", "-three.test"],
    ["bob@notthree.test", null],
    ["bob@three.test.evil.test", null],
    ["three.test@evil.test", null],
  ] as const)
    assert.deepEqual(find(file, sender), match === null ? [] : [match], sender);
});

test("the most specific entry stands first, and of equal ones the block", () => {
  const file = {
    allow: [
      { sender: { addresses: ["a@x.y.test"] }, reason: "1" },
      { sender: { domains: ["x.y.test"] }, reason: "2" },
      { sender: { domainsAndSubdomains: ["y.test"] }, reason: "3" },
    ],
    block: [
      { sender: { domainsAndSubdomains: ["test", "x.y.test"] }, reason: "4" },
      { sender: { domains: ["x.y.test"] }, reason: "5" },
    ],
  };
  assert.deepEqual(find(file, "a@x.y.test"), [
    "a@x.y.test",
    "-x.y.test",
    "x.y.test",
    "-x.y.test",
    "y.test",
    "-test",
  ]);
});

test("no other spelling of an address or a domain escapes", () => {
  const file = blocked({ addresses: ["Jo.Böb@Spam.Test"], domains: ["bücher.test"] });
  for (const sender of [
    "jo.böb@spam.test",
    "JO.BÖB@SPAM.TEST",
    '"jo.böb"@spam.test',
    '"j\\o.b\u00f6b"@spam.test',
    "jo.bo\u0308b@spam.test",
  ])
    assert.deepEqual(find(file, sender), ["-Jo.Böb@Spam.Test"], sender);
  for (const sender of ["a@bücher.test", "a@BÜCHER.test", "a@xn--bcher-kva.test"])
    assert.deepEqual(find(file, sender), ["-bücher.test"], sender);
});

test("who only looks alike is somebody else, whether blocked or allowed", () => {
  const file = { ...blocked({ domains: ["paypal.test"] }), ...allowed({ domains: ["bank.test"] }) };
  // Cyrillic letters, other letters, and the name as a part of another.
  for (const sender of [
    "a@p\u0430ypal.test",
    "a@b\u0430nk.test",
    "a@bánk.test",
    "bank.test@x.test",
  ])
    assert.deepEqual(find(file, sender), [], sender);
});

test("a tag does not save a blocked address, and does not make an allowed one", () => {
  const file = blocked({ addresses: ["news@shop.test"] });
  for (const sender of ["news+a@shop.test", "NEWS+a+b@shop.test", '"news+ x"@shop.test'])
    assert.deepEqual(find(file, sender), ["-news@shop.test"], sender);
  for (const sender of ["new+s@shop.test", "+news@shop.test", "news-a@shop.test"])
    assert.deepEqual(find(file, sender), [], sender);
  assert.deepEqual(find(allowed({ addresses: ["news@shop.test"] }), "news+a@shop.test"), []);
  const one = blocked({ addresses: ["news+a@shop.test"] });
  assert.deepEqual(find(one, "news+a@shop.test"), ["-news+a@shop.test"]);
  assert.deepEqual(find(one, "news@shop.test"), []);
});

test("an expired entry has no effect and uncovers the next one", () => {
  const file = {
    allow: [{ sender: { addresses: ["a@x.test"] }, reason: "1", expires: "2026-12-31" }],
    block: [{ sender: { domains: ["x.test"] }, reason: "2", expires: "2027-06-01T00:00:00Z" }],
  };
  assert.deepEqual(find(file, "a@x.test", NOW - 1), ["a@x.test", "-x.test"]);
  assert.deepEqual(find(file, "a@x.test", NOW), ["-x.test"]);
  assert.deepEqual(find(file, "a@x.test", Date.UTC(2027, 5, 1)), []);
});

test("what is no sender, no one's, or everybody is refused at its place", () => {
  for (const [entry, path, words] of [
    [{ sender: { domains: ["x.test."] } }, "sender.domains.0", /a domain such as/],
    [{ sender: { domains: ["*.x.test"] } }, "sender.domains.0", /domainsAndSubdomains/],
    [{ sender: { domains: ["@x.test"] } }, "sender.domains.0", /a domain such as/],
    [{ sender: { domains: ["192.0.2.1"] } }, "sender.domains.0", /a domain such as/],
    [{ sender: { domains: ["xn--example-.test"] } }, "sender.domains.0", /a domain such as/],
    [{ sender: { domains: ["ｘ.test"] } }, "sender.domains.0", /a domain such as/],
    [{ sender: { addresses: ["bob"] } }, "sender.addresses.0", /an address such as/],
    [{ sender: { addresses: ["<bob@x.test>"] } }, "sender.addresses.0", /an address such as/],
    [{ sender: { addresses: ["<>"] } }, "sender.addresses.0", /an address such as/],
    [{ sender: { addresses: [] } }, "sender.addresses", /./],
    [{ sender: {} }, "sender", /expected addresses, domains/],
    [{ sender: { domain: ["x.test"] } }, "sender", /./],
    [{ client: "::1", sender: { domains: ["x.test"] } }, "", /got both/],
    [{}, "", /got neither/],
  ] as const) {
    const { error } = accessOptions.safeParse({ block: [{ ...entry, reason: "x" }] });
    const issue = error?.issues.find(({ message }) => words.test(message));
    assert.equal(issue?.path.slice(2).join("."), path, JSON.stringify(entry));
  }
});

test("a whole top level may be blocked, and never allowed", () => {
  const sender = { domainsAndSubdomains: ["zip"] };
  assert.deepEqual(find(blocked(sender), "a@b.zip"), ["-zip"]);
  const { error } = accessOptions.safeParse(allowed(sender));
  assert.match(error?.issues[0]?.message ?? "", /a domain below a top level, got "zip"/);
});

test("one sender twice in a list is a mistake in any spelling; once in each list it is not", () => {
  for (const pair of [
    [{ domains: ["bücher.test"] }, { domains: ["XN--bcher-kva.test"] }],
    [{ addresses: ["bob@x.test"] }, { addresses: ['"BOB"@x.test'] }],
  ]) {
    const block = pair.map((sender) => ({ sender, reason: "x" }));
    const { error } = accessOptions.safeParse({ block });
    assert.match(error?.issues[0]?.message ?? "", /^expected one entry a sender, got a second for/);
  }
  const twoKinds = { domains: ["x.test"], domainsAndSubdomains: ["x.test"] };
  assert.ok(accessOptions.safeParse(blocked(twoKinds)).success);
  assert.ok(accessOptions.safeParse({ ...blocked(twoKinds), ...allowed(twoKinds) }).success);
});
