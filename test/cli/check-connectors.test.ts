import assert from "node:assert/strict";
import { test } from "node:test";
import { checkConnectors, checkRouteUse } from "../../src/cli/check-connectors.ts";
import { toDomains } from "../../src/policy/domains.ts";
import { toRouting } from "../../src/policy/routing.ts";
import type { AcceptedDomain, Connector, ConnectorTls } from "../../src/policy/snapshot.ts";
import { makeCertificate } from "../../src/smtp/certificate.ts";
import { toTestConnector } from "../support/relay-bench.ts";

const DAY_MS = 86_400_000;
const MX = { kind: "mx", port: 25 } as const;
const TLS: ConnectorTls = { mode: "verified", names: [], ca: null, pins: [], identity: null };

function domain(name: string, type: AcceptedDomain["type"] = "authoritative"): AcceptedDomain {
  return { name, type, recipients: { kind: "any" }, ack: "hub", lineEndings: "refuse" };
}

function use(
  kind: "internet" | "hub",
  connectors: readonly Connector[],
  domains: readonly AcceptedDomain[] = [domain("example.org")],
): readonly string[] {
  const policy = { domains: toDomains(domains), routing: toRouting(connectors) };
  return checkRouteUse([{ kind }], policy).map(({ subject, message }) => `${subject}: ${message}`);
}

function warnings(connector: Partial<Connector>, own: readonly string[] = []): readonly string[] {
  const routing = toRouting([
    toTestConnector({ hosts: [{ port: 25, host: "10.0.0.1" }], ...connector }),
  ]);
  return checkConnectors(routing, Date.now(), own).map(({ message }) => message);
}

test("a way to the internet that nobody inside may use is told", () => {
  const internet = toTestConnector({ name: "internet", to: MX });
  const home = toTestConnector({ domains: ["example.org"] });
  assert.deepEqual(use("internet", [home, internet]), [
    "routing.yaml connectors.internet: no hub listener sends mail to `*`: nothing but bounces will go there",
  ]);
  assert.deepEqual(use("hub", [home, internet]), []);
});

test("our own domain whose mail servers are looked up is told, but not as somebody's backup", () => {
  const internet = toTestConnector({ name: "internet", to: MX });
  const [warning] = use("hub", [internet]);
  assert.match(warning ?? "", /our own `example\.org` are looked up, and we are one of them/);
  assert.deepEqual(use("hub", [internet], [domain("friend.test", "external-relay")]), []);
  assert.deepEqual(use("hub", [toTestConnector({ name: "hub" })]), []);
});

test("a certificate that would have to be for an address is told", () => {
  assert.match(
    warnings({ tls: TLS })[0] ?? "",
    /certificate of 10\.0\.0\.1 must be for that address/,
  );
  assert.deepEqual(warnings({ tls: { ...TLS, names: ["hub.test"] } }), []);
  assert.deepEqual(warnings({ tls: { ...TLS, mode: "required" } }), []);
});

test("a way that does not stand in for another, because its TLS is weaker, is told", () => {
  const one = (name: string, mode: ConnectorTls["mode"], rest: Partial<Connector> = {}) =>
    toTestConnector({ name, tls: { ...TLS, mode }, domains: ["x.test", "y.test"], ...rest });
  const told = (all: readonly Connector[]) =>
    checkConnectors(toRouting(all), Date.now(), []).map(({ subject, message }) => [
      subject.split(".").at(-1),
      message,
    ]);
  assert.deepEqual(
    told([
      one("second", "required", { cost: 20 }),
      one("first", "verified", { domains: ["y.test"] }),
    ]),
    [
      [
        "second",
        "it does not stand in for `first`, because it asks for weaker TLS (required, not verified)",
      ],
    ],
  );
  assert.deepEqual(told([one("first", "required"), one("second", "pinned", { cost: 20 })]), []);
  const direct = one("direct", "opportunistic", { to: MX });
  assert.deepEqual(told([direct, one("second", "required", { cost: 20 })]), [
    [
      "second",
      "it does not stand in for `direct`, because it asks for weaker TLS (required, not opportunistic + DANE + MTA-STS)",
    ],
  ]);
  assert.deepEqual(told([direct, one("second", "verified", { cost: 20 })]), []);
  assert.deepEqual(
    told([one("first", "pinned"), one("second", "none", { cost: 20, domains: ["*"] })]),
    [],
  );
});

test("a source address that the machine does not have is told", () => {
  const sourceAddresses = ["192.0.2.1", "2001:db8::1"];
  const told = warnings({ sourceAddresses }, ["192.0.2.1"]);
  assert.deepEqual(told, ["this machine has no address 2001:db8::1 to send from"]);
});

test("our certificate that ends soon is told", async () => {
  const identityMadeAt = async (madeAt: number) => {
    const { cert, key } = await makeCertificate("edge.test", madeAt);
    return { cert: { file: "edge.pem", text: cert }, key: { file: "edge.key", text: key } };
  };
  const tls = { ...TLS, mode: "mutual", names: ["hub.test"] } as const;
  assert.deepEqual(warnings({ tls: { ...tls, identity: await identityMadeAt(Date.now()) } }), []);
  const old = await identityMadeAt(Date.now() - 824 * DAY_MS);
  assert.match(warnings({ tls: { ...tls, identity: old } })[0] ?? "", /^edge\.pem: it expires on /);
});
