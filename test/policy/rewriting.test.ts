import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { AddressMap } from "../../src/policy/address-map.ts";
import { complaintsOf, rewritingOf } from "./rewriting-policy.ts";

function apply(map: AddressMap, spoken: string): string {
  const [localPart = "", domain = ""] = spoken.split("@");
  const target = map.find(localPart, domain);
  return target ? `${target.localPart ?? localPart}@${target.domain}` : spoken;
}

const ADDRESSES = [
  { internal: "corp.example.org", external: "example.org" },
  { internal: "j.doe@corp.example.org", external: "john@example.org" },
  { internal: "*.corp.example.org", external: "example.org" },
  { internal: "info@corp.example.org", external: "info-de@example.org", direction: "outbound" },
  { internal: "desk@corp.example.org", external: "help@example.org", direction: "inbound" },
];

test("a single address counts before its domain, that before a wildcard", () => {
  const { outbound } = rewritingOf({ addresses: ADDRESSES });
  assert.equal(apply(outbound, "J.Doe@corp.example.org"), "john@example.org");
  assert.equal(apply(outbound, '"j.doe"@corp.example.org'), "john@example.org");
  assert.equal(apply(outbound, "Ann@corp.example.org"), "Ann@example.org");
  assert.equal(apply(outbound, "ann@a.b.corp.example.org"), "ann@example.org");
  assert.equal(apply(outbound, "ann@example.org"), "ann@example.org");
  assert.equal(apply(outbound, "ann@corp.example.org.evil.test"), "ann@corp.example.org.evil.test");
});

test("inbound is the inverse of outbound, and a direction limits an entry to one way", () => {
  const { inbound, outbound } = rewritingOf({ addresses: ADDRESSES });
  assert.equal(apply(inbound, "John@example.org"), "j.doe@corp.example.org");
  assert.equal(apply(inbound, "ann@example.org"), "ann@corp.example.org");
  assert.equal(apply(inbound, "info-de@example.org"), "info-de@corp.example.org");
  assert.equal(apply(outbound, "info@corp.example.org"), "info-de@example.org");
  assert.equal(apply(inbound, "help@example.org"), "desk@corp.example.org");
  assert.equal(apply(outbound, "desk@corp.example.org"), "desk@example.org");
});

test("an address counts with a tag too, where its domain or the one inside has tags", () => {
  const { outbound, inbound, redirects, copies } = rewritingOf({
    addresses: [
      { internal: "j.doe@staff.example.org", external: "john@example.org" },
      { internal: "a+b@staff.example.org", external: "ab@example.org" },
      { internal: "ann@corp.example.org", external: "ann@relay.example.org" },
      { internal: "corp.example.org", external: "relay.example.org" },
    ],
    redirects: [{ recipient: "sales@staff.example.org", to: "us@partner.test" }],
    copies: [{ recipients: ["boss@staff.example.org"], to: "journal@example.org" }],
  });
  assert.equal(apply(outbound, "J.Doe+News@staff.example.org"), "john+News@example.org");
  assert.equal(apply(inbound, "JOHN+a+b@example.org"), "j.doe+a+b@staff.example.org");
  assert.equal(apply(inbound, '"john+a \\"b"@example.org'), '"j.doe+a \\"b"@staff.example.org');
  assert.equal(apply(outbound, "a+b@staff.example.org"), "ab@example.org", "as it is counts first");
  assert.equal(
    apply(redirects, "Sales+q3@staff.example.org"),
    "us@partner.test",
    "as it is written",
  );
  assert.ok(copies[0]?.recipients?.find("boss+x", "staff.example.org"));
  assert.equal(apply(inbound, "+x@example.org"), "+x@example.org", "no name is empty");
  assert.equal(
    apply(outbound, "ann+x@corp.example.org"),
    "ann+x@relay.example.org",
    "no tags there",
  );
  assert.equal(apply(inbound, "john-x@example.org"), "john-x@example.org");
});

test("out and in again is the identity for addresses and domains", () => {
  const name = fc.stringMatching(/^[a-z]{1,6}$/);
  const pairs = fc.uniqueArray(fc.tuple(name, name), {
    maxLength: 8,
    comparator: (a, b) => a[0] === b[0] || a[1] === b[1],
  });
  fc.assert(
    fc.property(pairs, fc.stringMatching(/^[a-z]{7,9}$/), (all, other) => {
      const addresses = all.map(([inside, outside]) => ({
        internal: `in-${inside}@corp.example.org`,
        external: `out-${outside}@example.org`,
      }));
      addresses.push({ internal: "corp.example.org", external: "example.org" });
      const { outbound, inbound } = rewritingOf({ addresses });
      for (const [inside] of all) {
        const own = `in-${inside}@corp.example.org`;
        assert.equal(apply(inbound, apply(outbound, own)), own);
      }
      const own = `${other}@corp.example.org`;
      assert.equal(apply(inbound, apply(outbound, own)), own);
    }),
  );
});

const one = (internal: string, external: string, direction?: string) => ({
  addresses: [{ internal, external, ...(direction && { direction }) }],
});

for (const [what, file, expected] of [
  [
    "a wildcard inbound",
    one("*.corp.example.org", "example.org", "both"),
    "addresses.0.direction: a wildcard works outbound only",
  ],
  [
    "a wildcard outside",
    one("corp.example.org", "*.example.org", "outbound"),
    "addresses.0.external: a wildcard cannot be what others write to",
  ],
  [
    "an address for a domain",
    one("corp.example.org", "ann@example.org"),
    "addresses.0.external: expected two addresses, or two domains",
  ],
  [
    "a domain that is not ours",
    one("friend.test", "example.org"),
    "addresses.0.internal: expected an authoritative domain",
  ],
  [
    "a domain that we only relay",
    one("relay.example.org", "example.org"),
    "addresses.0.internal: expected an authoritative domain",
  ],
  [
    "a wildcard of which not all is ours",
    one("*.example.org", "example.org"),
    "addresses.0.internal: expected an authoritative domain",
  ],
  [
    "a way back for which no mail comes",
    one("corp.example.org", "friend.test"),
    "addresses.0.external: no mail for `friend.test` is accepted",
  ],
  ["itself", one("example.org", "example.org"), "addresses.0.external: a loop"],
  [
    "a wildcard that takes its own outcome",
    one("*.corp.example.org", "x.corp.example.org"),
    "addresses.0.external: a loop",
  ],
  [
    "an internal address twice",
    {
      addresses: [
        { internal: "ann@corp.example.org", external: "a@example.org" },
        { internal: "Ann@corp.example.org", external: "b@example.org" },
      ],
    },
    "addresses.1.internal: `Ann@corp.example.org` is rewritten outbound by entry 1 already",
  ],
  [
    "an external domain twice",
    {
      addresses: [
        { internal: "corp.example.org", external: "example.org" },
        { internal: "a.corp.example.org", external: "example.org" },
      ],
    },
    "addresses.1.external: `example.org` is rewritten inbound by entry 1 already",
  ],
  [
    "other than ASCII",
    one("jörg@corp.example.org", "j@example.org"),
    "addresses.0.internal: expected an address, a domain",
  ],
  [
    "a routing form",
    one("a%b@corp.example.org", "j@example.org"),
    "addresses.0.internal: expected an address, a domain",
  ],
  [
    "a redirect of what is not ours",
    { redirects: [{ recipient: "a@friend.test", to: "b@partner.test" }] },
    "redirects.0.recipient: no mail for `friend.test` is accepted",
  ],
  [
    "a redirect to where no connector leads",
    { redirects: [{ recipient: "a@example.org", to: "b@friend.test" }] },
    "redirects.0.to: no connector in routing.yaml takes `friend.test`",
  ],
  [
    "a redirect to a redirect",
    {
      redirects: [
        { recipient: "a@example.org", to: "b@example.org" },
        { recipient: "b@example.org", to: "a@partner.test" },
      ],
    },
    "redirects.0.to: a loop: `b@example.org` is redirected itself",
  ],
  [
    "a redirect twice",
    {
      redirects: [
        { recipient: "a@example.org", to: "b@example.org" },
        { recipient: "A@example.org", to: "c@example.org" },
      ],
    },
    "redirects.0.recipient: `a@example.org` is redirected twice",
  ],
  [
    "SRS at a domain that is not ours",
    { srs: { domain: "friend.test" } },
    "srs.domain: no mail for `friend.test` is accepted",
  ],
  [
    "tags of a domain that is not ours",
    { bounceTags: { "friend.test": {} } },
    "bounceTags.friend.test: no mail for `friend.test` is accepted",
  ],
  [
    "a copy of nobody",
    { copies: [{ to: "j@example.org" }] },
    "copies.0: expected recipients or senders",
  ],
  [
    "a copy to where no connector leads",
    { copies: [{ recipients: ["*"], to: "j@friend.test" }] },
    "copies.0.to: no connector in routing.yaml takes `friend.test`",
  ],
  ["an unknown key", { srs: { domain: "example.org", day: 1 } }, "srs.day: unknown key `day`"],
] as const)
  test(`refused: ${what}`, () => {
    const complaints = complaintsOf(file);
    assert.equal(complaints.length, 1, complaints.join("\n"));
    assert.ok(complaints[0]?.startsWith(expected), `${complaints[0]}\nis not\n${expected}`);
  });

test("a circle is told at each of its entries", () => {
  const complaints = complaintsOf({
    addresses: [
      { internal: "corp.example.org", external: "example.org", direction: "outbound" },
      { internal: "example.org", external: "corp.example.org", direction: "outbound" },
    ],
  });
  assert.deepEqual(complaints, [
    "addresses.0.external: a loop: `example.org` would be rewritten again, by example.org → corp.example.org",
    "addresses.1.external: a loop: `corp.example.org` would be rewritten again, by corp.example.org → example.org",
  ]);
});

test("two internal names of one external are told apart by a direction", () => {
  const addresses = [
    { internal: "corp.example.org", external: "example.org" },
    { internal: "a.corp.example.org", external: "example.org", direction: "outbound" },
  ];
  assert.deepEqual(complaintsOf({ addresses }), []);
});

test("tags are of a domain, or of its subdomains by a wildcard", () => {
  const { tagsOf } = rewritingOf({
    bounceTags: { "example.org": null, "*.corp.example.org": { mode: "enforce", validDays: 9 } },
  });
  assert.deepEqual(tagsOf("example.org"), { mode: "observe", validDays: 7 });
  assert.deepEqual(tagsOf("a.corp.example.org"), { mode: "enforce", validDays: 9 });
  assert.equal(tagsOf("corp.example.org"), null);
});
