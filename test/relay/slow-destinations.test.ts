import assert from "node:assert/strict";
import { test } from "node:test";
import { createFakeClock } from "../support/fake-clock.ts";
import { SOURCE } from "../support/hub-pair.ts";
import { openRelayBench, toTestConnector } from "../support/relay-bench.ts";
import { hubFor } from "../support/scripted-hub.ts";
import { toSpoolItem } from "../support/spool-item.ts";
import { mx, toZoneResolver } from "../support/zone-resolver.ts";

test("mail for our hub is delivered while a hundred domains keep us waiting", async (t) => {
  const clock = createFakeClock();
  const hub = await hubFor(t);
  const silent = await hubFor(t, {
    script: ({ step }) => (step === "connect" ? { hang: true } : undefined),
  });
  const domains = Array.from({ length: 100 }, (_, i) => `slow${i}.test`);
  const zone = Object.fromEntries(domains.map((name) => [`MX ${name}`, [mx(0, "silent.test")]]));
  const bench = await openRelayBench(t, {
    hubs: [],
    connectors: [
      toTestConnector({ name: "hub", domains: ["x.test"], hosts: [hub] }),
      toTestConnector({ to: { kind: "mx", port: silent.port }, maxConnections: 100 }),
    ],
    resolver: toZoneResolver({ ...zone, "A silent.test": ["127.0.0.1"] }),
    clock,
  });
  for (const name of domains) await bench.spool.add(toSpoolItem(clock, [`a@${name}`]), SOURCE);
  bench.relay.start();
  await bench.until(() => silent.connections === 75);
  await bench.spool.add(toSpoolItem(clock, ["a@x.test"]), SOURCE);
  bench.relay.wake();
  await bench.until(() => hub.messages.length === 1);
  assert.equal(silent.connections, 75);
});
