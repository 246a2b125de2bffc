import { isIP } from "node:net";
import { z } from "zod";
import { parseDomainName, parseFullName } from "./mail/domain-name.ts";
import { parseDnsServer } from "./net/dns-server-address.ts";
import { parseCidr, parseIp } from "./net/ip.ts";
import { type HostPort, parseHostPort } from "./policy/host-port.ts";
import { parsedText } from "./policy/parsed-text.ts";
import type { Source } from "./policy/source.ts";
import {
  authSchema,
  bannerSchema,
  networkSchema,
  reportListenerFaults,
  tlsSchema,
} from "./settings-listener.ts";
import { redisSchema } from "./settings-redis.ts";
import { parseClamdAddress } from "./stages/antivirus/clamd-address.ts";

/** behaviour.md section 5: one attempt of a query; it has two. */
const DNS_TIMEOUT_MS = 2000;

/** Beyond it shares of what workers have together become too small. */
export const MAX_WORKERS = 64;

/** Each is looked at for every connection. */
const MAX_NETWORKS = 256;
/** All private addresses of IPv6 are fc00::/7; no load balancers fill a wider network. */
const MIN_PROXY_BITS = 7;

const path = z.string().min(1);
const address = parsedText((text) => parseIp(text)?.text ?? null, "an address");
const listen = parsedText(parseListen, "address:port such as 0.0.0.0:2525 or [::]:25");
const fullName = parsedText(parseFullName, "a full host name such as mx1.example.org");
const dnsServer = parsedText(same(parseDnsServer), "address:port such as 127.0.0.1:53");
const clamd = parsedText(same(parseClamdAddress), "host:port or unix:/path");

const network = parsedText(parseCidr, "a network such as 10.1.0.0/16");
const proxies = network.refine(({ bits }) => bits >= MIN_PROXY_BITS, {
  error: "expected the proxies alone: whoever is in this network may claim any address",
});

const listenerSchema = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9-]{0,31}$/, "expected letters, digits, hyphens"),
  kind: z.enum(["internet", "hub", "partner"]).default("internet"),
  listen,
  hostname: fullName.optional(),
  banner: bannerSchema.optional(),
  tls: tlsSchema.optional(),
  proxyProtocol: z.array(proxies).min(1).max(MAX_NETWORKS).optional(),
  auth: authSchema.optional(),
  from: z.array(networkSchema).min(1).max(MAX_NETWORKS).optional(),
});

/** `postern.yaml` with its defaults; paths as written. */
export const settingsSchema = z.strictObject({
  hostname: fullName,
  dataDir: path.default("./data"),
  policies: path.default("./policies"),
  workers: z.union([z.literal("auto"), z.int().min(1).max(MAX_WORKERS)]).default(1),
  listeners: z
    .array(listenerSchema)
    .min(1)
    .prefault([{ name: "internet", listen: "0.0.0.0:2525" }]),
  dns: z
    .strictObject({
      servers: z.array(dnsServer).min(1).max(8).optional(),
      timeoutMs: z.int().min(100).max(30_000).default(DNS_TIMEOUT_MS),
      validates: z.boolean().default(false),
    })
    .prefault({}),
  authorities: path.optional(),
  hosts: z.record(z.string(), z.union([address, z.array(address).min(1)])).default({}),
  redis: redisSchema.optional(),
  clamd: z.union([z.literal("none"), z.array(clamd).min(1).max(16)]),
  console: z.never(notYet("the console is")).optional(),
  metrics: z.strictObject({ listen }).optional(),
  log: z
    .strictObject({
      level: z.enum(["debug", "info", "warn", "error"]).default("info"),
      format: z.enum(["json", "pretty"]).default("json"),
    })
    .prefault({}),
});

export type WrittenSettings = z.infer<typeof settingsSchema>;

/** Complains about what is well-formed and contradicts itself. */
export function reportContradictions({ listeners, hosts }: WrittenSettings, source: Source): void {
  for (const [index, listener] of listeners.entries()) {
    const { name, listen } = listener;
    const at = ["listeners", index];
    reportListenerFaults(listener, (path, message) => source.complain([...at, ...path], message));
    const before = listeners.slice(0, index);
    if (before.some((other) => other.name === name))
      source.complain([...at, "name"], `expected another name, got \`${name}\` twice`);
    if (before.some((other) => isSame(other.listen, listen)))
      source.complain([...at, "listen"], "expected another address or port than the one above");
  }
  for (const host of Object.keys(hosts)) {
    if (parseDomainName(host, { utf8: true }) !== null) continue;
    source.complain(["hosts", host], `expected a host name, got \`${host}\``, "key");
  }
}

/** What an operator relies on must never be passed over in silence. */
function notYet(what: string): { readonly error: string } {
  return { error: `${what} not available in this version` };
}

/** The system hands out another port each time for port 0. */
function isSame(a: HostPort, b: HostPort): boolean {
  return a.port !== 0 && a.port === b.port && a.host === b.host;
}

/** An address, not a name: what we listen on must not depend on DNS. */
function parseListen(text: string): HostPort | null {
  const parsed = parseHostPort(text, { allowZero: true });
  return parsed && isIP(parsed.host) !== 0 ? parsed : null;
}

/** The text itself, when it can be parsed: whoever uses it parses it again. */
function same(parse: (text: string) => unknown): (text: string) => string | null {
  return (text) => (parse(text) === null ? null : text);
}
