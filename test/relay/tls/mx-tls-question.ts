import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { createLookupScope } from "../../../src/net/resolver.ts";
import { createFactBus, type TlsSessionFact } from "../../../src/pipeline/facts.ts";
import type { ConnectorTls } from "../../../src/policy/snapshot.ts";
import type { StsPolicy } from "../../../src/relay/tls/mta-sts-policy.ts";
import type { MxQuestion } from "../../../src/relay/tls/tls-policy.ts";
import type { FakeZone } from "../../support/fake-dns.ts";
import { openMxPolicyBench, STS_RECORD } from "../../support/mx-policy-bench.ts";
import { toTestConnector } from "../../support/relay-bench.ts";

export const DATA = "ab".repeat(32);
export const USABLE = { usage: 3, selector: 1, matchingType: 1, data: DATA };
export const TLSA = "_25._tcp.mx.example.org";
export const DANE = { kind: "dane", records: [USABLE], names: ["mx.example.org", "example.org"] };
export const VERIFIED = { kind: "verified", names: ["mx.example.org"] };
export const STS: StsPolicy = { mode: "enforce", mx: ["mx.example.org"], maxAgeSeconds: 86_400 };

/** A domain with one mail server, all of it signed, but for what is changed. */
export function zoneWith(changes: FakeZone = {}): FakeZone {
  return {
    "example.org": { MX: [[10, "mx.example.org"]], secure: true },
    "mx.example.org": { A: ["192.0.2.1"], secure: true },
    [TLSA]: { TLSA: [[3, 1, 1, DATA]], secure: true },
    ...changes,
  };
}

export interface Asked {
  readonly zone?: FakeZone;
  readonly sts?: StsPolicy;
  readonly mode?: ConnectorTls["mode"];
  readonly dane?: boolean;
  readonly mtaSts?: boolean;
  readonly question?: Partial<MxQuestion>;
}

export async function rule(t: TestContext, { zone = zoneWith(), sts, question, ...asked }: Asked) {
  const record: FakeZone = sts ? { "_mta-sts.example.org": STS_RECORD } : {};
  const bench = await openMxPolicyBench(t, { ...zone, ...record });
  if (sts) await bench.keepSts("example.org", sts);
  const facts: TlsSessionFact[] = [];
  const bus = createFactBus((error) => assert.fail(String(error)));
  bus.listen((fact) => void (fact.kind === "tls-session" && facts.push(fact)));
  const policy = bench.createPolicy(bus);
  const { mode = "opportunistic", dane = true, mtaSts = true } = asked;
  const asking: MxQuestion = {
    connector: toTestConnector({
      to: { kind: "mx", port: 25, dane, mtaSts },
      tls: { mode, names: [], ca: null, pins: [], identity: null },
    }),
    domain: "example.org",
    host: "mx.example.org",
    port: 25,
    hasMx: true,
    scope: createLookupScope(new AbortController().signal),
    ...question,
  };
  return { ruling: await policy.rule(asking), policy, asking, facts, ...bench };
}
