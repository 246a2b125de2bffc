import assert from "node:assert/strict";
import { test } from "node:test";
import { toRouting } from "../../src/policy/routing.ts";
import type { Connector, ConnectorTls } from "../../src/policy/snapshot.ts";
import { toTestConnector } from "../support/relay-bench.ts";

const DIRECT = { kind: "mx", port: 25 } as const;

function withTls(name: string, mode: ConnectorTls["mode"], to?: Connector["to"]): Connector {
  const tls = { mode, names: [], ca: null, pins: [], identity: null };
  return toTestConnector({ name, tls, domains: ["x.test"], ...(to && { to }) });
}

function waysOf(...connectors: readonly Connector[]): string {
  const byOrder = connectors.map((one, at) => ({ ...one, cost: at }));
  return toRouting(byOrder)
    .ways("x.test")
    .map(({ name }) => name)
    .join(" ");
}

test("a connector stands in for another only with as much TLS", () => {
  const [weak, strong] = [withTls("weak", "required"), withTls("strong", "verified")];
  const pinned = withTls("pinned", "pinned");
  assert.equal(waysOf(weak, strong), "weak strong");
  assert.equal(waysOf(strong, weak), "strong");
  assert.equal(waysOf(strong, weak, pinned), "strong pinned");
});

test("where domains may ask for TLS themselves, only verified will do, or whoever heeds them too", () => {
  const direct = withTls("direct", "opportunistic", DIRECT);
  const deaf = withTls("deaf", "opportunistic", { ...DIRECT, dane: false, mtaSts: false });
  const half = withTls("half", "opportunistic", { ...DIRECT, dane: false });
  const hub = withTls("hub", "required");
  const verified = withTls("verified", "verified");
  assert.equal(waysOf(direct, hub, deaf, half, verified), "direct verified");
  assert.equal(waysOf(half, direct), "half direct");
  assert.equal(waysOf(deaf, hub), "deaf hub");
  // Of a domain that asks for nothing they would ask for nothing.
  assert.equal(waysOf(verified, direct), "verified");
});
