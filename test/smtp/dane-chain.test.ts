import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { judgeDaneChain } from "../../src/smtp/dane-chain.ts";
import { toUsableRecords } from "../../src/smtp/dane-records.ts";
import { type MadeCertificate, makeCertificate, toTlsa } from "../support/made-certificate.ts";

const NOW = Date.now();
const DAY_MS = 86_400_000;
const NAMES = ["mx.example.org", "example.org"];
const at = (days: number) => new Date(NOW + days * DAY_MS);

interface Made {
  readonly root: MadeCertificate;
  readonly middle: MadeCertificate;
  readonly leaf: MadeCertificate;
  readonly stranger: MadeCertificate;
}

describe("a chain against TLSA records", () => {
  let made: Made;
  before(async () => {
    const root = await makeCertificate("Root", { isAuthority: true });
    const middle = await makeCertificate("Middle", { by: root, isAuthority: true });
    const leaf = await makeCertificate("mx.example.org", { by: middle });
    made = { root, middle, leaf, stranger: await makeCertificate("mx.example.org") };
  });
  const chainOf = (...all: readonly MadeCertificate[]) => all.map(({ x509 }) => x509);
  const judge = (
    chain: readonly MadeCertificate[],
    records: Parameters<typeof toUsableRecords>[0],
    names = NAMES,
  ) => judgeDaneChain(chainOf(...chain), { records: toUsableRecords(records), names }, NOW);

  it("fits by usage 3 with either selector and every matching type", () => {
    for (const selector of [0, 1] as const)
      for (const type of [0, 1, 2] as const) {
        const record = toTlsa(made.leaf, 3, selector, type);
        const words = `3 ${selector} ${type} ${record.data}`;
        assert.deepEqual(judge([made.leaf], [record]), { kind: "fits", record: words });
      }
  });

  it("asks usage 3 neither for the name nor for the dates", async () => {
    const dates = { from: at(-9), to: at(-1) };
    const old = await makeCertificate("elsewhere.example", dates);
    assert.equal(judge([old], [toTlsa(old, 3, 1, 1)]).kind, "fits");
  });

  it("refuses another key whatever its name, and nothing at all", () => {
    const records = [toTlsa(made.leaf, 3, 1, 1), toTlsa(made.leaf, 3, 0, 2)];
    const verdict = judge([made.stranger], records);
    assert.equal(verdict.kind === "refused" && verdict.fault, "dane");
    assert.equal(judge([], records).kind, "refused");
  });

  it("does not take an authority of the chain for the server's own certificate", () => {
    const records = [toTlsa(made.middle, 3, 1, 1), toTlsa(made.root, 3, 0, 1)];
    assert.equal(judge([made.leaf, made.middle, made.root], records).kind, "refused");
  });

  it("fits by usage 2 through the chain up to the authority, in whatever order it came", () => {
    const record = toTlsa(made.root, 2, 0, 1);
    assert.equal(judge([made.leaf, made.middle, made.root], [record]).kind, "fits");
    assert.equal(judge([made.leaf, made.root, made.middle], [record]).kind, "fits");
    assert.equal(judge([made.leaf, made.middle], [toTlsa(made.middle, 2, 1, 2)]).kind, "fits");
  });

  it("refuses usage 2 when the authority was shown but signed nothing", async () => {
    const record = toTlsa(made.root, 2, 0, 1);
    const verdict = judge([made.stranger, made.root], [record]);
    assert.equal(verdict.kind === "refused" && verdict.fault, "dane");
    const forged = await makeCertificate("Middle", { isAuthority: true });
    const below = await makeCertificate("mx.example.org", { by: forged });
    assert.equal(judge([below, forged, made.root], [record]).kind, "refused");
  });

  it("refuses usage 2 below a certificate that is no authority", async () => {
    const below = await makeCertificate("mx.example.org", { by: made.leaf });
    const verdict = judge([below, made.leaf, made.middle], [toTlsa(made.middle, 2, 0, 1)]);
    assert.equal(verdict.kind === "refused" && verdict.fault, "certificate-untrusted");
  });

  it("finds an authority that the zone holds whole and the server does not send", () => {
    for (const selector of [0, 1] as const)
      assert.equal(judge([made.leaf], [toTlsa(made.middle, 2, selector, 0)]).kind, "fits");
    assert.equal(judge([made.leaf], [toTlsa(made.middle, 2, 0, 1)]).kind, "refused");
    assert.equal(judge([made.leaf], [toTlsa(made.root, 2, 1, 0)]).kind, "refused");
  });

  it("asks usage 2 for the name, the dates and the purpose of the server's certificate", async () => {
    const record = toTlsa(made.root, 2, 1, 1);
    const faults = async (name: string, options: object) => {
      const own = await makeCertificate(name, { by: made.root, ...options });
      const verdict = judge([own, made.root], [record]);
      return verdict.kind === "refused" ? verdict.fault : verdict.kind;
    };
    assert.equal(await faults("mx.example.org", {}), "fits");
    assert.equal(await faults("x", { names: ["*.example.org"] }), "fits");
    assert.equal(await faults("x", { names: ["example.org"] }), "fits");
    assert.equal(await faults("mx.example.net", {}), "certificate-name");
    assert.equal(await faults("x", { names: ["m*.example.org"] }), "certificate-name");
    assert.equal(
      await faults("mx.example.org", { from: at(-9), to: at(-1) }),
      "certificate-expired",
    );
    assert.equal(await faults("mx.example.org", { from: at(1), to: at(9) }), "certificate-expired");
    const client = { purpose: "clientAuth" as const };
    assert.equal(await faults("mx.example.org", client), "certificate-untrusted");
  });

  it("refuses usage 2 below an authority whose time is over", async () => {
    const dates = { from: at(-9), to: at(-1) };
    const old = await makeCertificate("Old", { by: made.root, isAuthority: true, ...dates });
    const own = await makeCertificate("mx.example.org", { by: old });
    const verdict = judge([own, old, made.root], [toTlsa(made.root, 2, 0, 1)]);
    assert.equal(verdict.kind === "refused" && verdict.fault, "certificate-expired");
  });

  it("needs one record that fits, not all", () => {
    const records = [toTlsa(made.stranger, 3, 1, 1), toTlsa(made.leaf, 3, 1, 1)];
    assert.equal(judge([made.leaf], records).kind, "fits");
    const mixed = [toTlsa(made.stranger, 3, 1, 1), toTlsa(made.root, 2, 0, 1)];
    assert.equal(judge([made.leaf, made.middle, made.root], mixed).kind, "fits");
  });
});

describe("the usable TLSA records", () => {
  const data = "ab".repeat(32);
  const record = { usage: 3, selector: 1, matchingType: 1, data };

  it("leave out usages 0, 1 and unknown numbers", () => {
    for (const change of [
      { usage: 0 },
      { usage: 1 },
      { usage: 4 },
      { selector: 2 },
      { matchingType: 3 },
    ])
      assert.deepEqual(toUsableRecords([{ ...record, ...change }]), [], JSON.stringify(change));
    assert.deepEqual(toUsableRecords([record, { ...record, usage: 1 }]), [record]);
  });

  it("leave out digests of the wrong length and whole data that cannot be read", () => {
    for (const wrong of ["", "ab", `${data}ab`, "ab".repeat(64)])
      assert.deepEqual(toUsableRecords([{ ...record, data: wrong }]), [], wrong);
    for (const selector of [0, 1])
      assert.deepEqual(toUsableRecords([{ ...record, selector, matchingType: 0 }]), []);
  });

  it("hold only the strongest of several digests of one kind", () => {
    const strong = { ...record, matchingType: 2, data: "cd".repeat(64) };
    const other = { ...record, usage: 2 };
    assert.deepEqual(toUsableRecords([record, strong, other]), [strong, other]);
  });
});
