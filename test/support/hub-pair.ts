import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { afterwards } from "./afterwards.ts";
import { toBytesSource } from "./bytes-source.ts";
import { toTestConnector } from "./relay-bench.ts";
import { type HubOptions, startScriptedHub } from "./scripted-hub.ts";
import { mx } from "./zone-resolver.ts";

export const WAIT_MS = 20_000;
export const SOURCE = toBytesSource("Subject: x\r\n\r\nbody\r\n");
export const NEVER = new AbortController().signal;

/** Two servers on one port, as mail servers of the internet are: 127.0.0.2 and 127.0.0.3. */
export async function twoHubs(t: TestContext, first: HubOptions = {}, second: HubOptions = {}) {
  for (let left = 5; ; left--) {
    const one = await startScriptedHub({ ...first, host: "127.0.0.2" });
    const other = await startScriptedHub({
      ...second,
      host: "127.0.0.3",
      port: one.port,
    }).catch(() => null);
    afterwards(t, () => one.close());
    if (other) {
      afterwards(t, () => other.close());
      return { one, other, port: one.port };
    }
    assert.ok(left > 0, "no port is free on both addresses");
  }
}

export const ZONE = {
  "MX x.test": [mx(10, "mx1.test"), mx(20, "mx2.test")],
  "MX y.test": [mx(10, "mx2.test")],
  "MX no.test": [mx(0, "")],
  "MX slow.test": "SERVFAIL",
  "A mx1.test": ["127.0.0.2"],
  "A mx2.test": ["127.0.0.3"],
};

export const toInternet = (port: number) =>
  toTestConnector({ name: "internet", to: { kind: "mx", port } });
