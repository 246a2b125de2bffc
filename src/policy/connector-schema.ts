import { isIP } from "node:net";
import { z } from "zod";
import { parseFullName } from "../mail/domain-name.ts";
import { parseIp } from "../net/ip.ts";
import { toFingerprint } from "../smtp/client-certificate.ts";
import { parseDomainPattern } from "./domain-pattern.ts";
import { type HostPort, parseHostPort } from "./host-port.ts";
import { parsedText } from "./parsed-text.ts";
import type { Path } from "./source.ts";

const SMTP_PORT = 25;
/** behaviour.md section 5: connections to one smarthost. */
const MAX_CONNECTIONS = 20;
/** Servers count messages a session too; Exchange ends one at 500. */
const MESSAGES_PER_CONNECTION = 100;
/** RFC 4954 puts no bound on a name; servers do. */
const MAX_USER_CHARS = 255;

const path = z.string().min(1);
const address = parsedText(parseSmarthost, "host:port or [IPv6]:port");
const ip = parsedText((text) => parseIp(text)?.text ?? null, "an address of this machine");
const fullName = parsedText(parseFullName, "a full host name such as out.example.org");
const name = parsedText(parseCertificateName, "a host name or an address");
const pin = parsedText(toFingerprint, "a SHA-256 fingerprint of 64 hexadecimal digits");
const user = z
  .string()
  .min(1)
  .max(MAX_USER_CHARS)
  .regex(/^[^\x00-\x1f\x7f]+$/, "expected text without control characters");

const smarthost = z.union([
  address,
  z.strictObject({
    host: address,
    weight: z.int().min(1).max(1000).optional(),
    priority: z.int().min(0).max(1000).optional(),
  }),
]);

export const connectorSchema = z.strictObject({
  domains: z.array(parsedText(parseDomainPattern, "a domain, *.domain or *")).min(1),
  smarthosts: z.array(smarthost).min(1).max(32).optional(),
  mx: z.boolean().default(false),
  port: z.int().min(1).max(65_535).optional(),
  dane: z.boolean().optional(),
  mtaSts: z.boolean().optional(),
  cost: z.int().min(0).max(10_000).default(10),
  tls: z
    .enum(["none", "opportunistic", "required", "verified", "pinned", "mutual"])
    .default("opportunistic"),
  names: z.array(name).min(1).max(32).optional(),
  ca: path.optional(),
  pins: z.array(pin).min(1).max(32).optional(),
  cert: path.optional(),
  key: path.optional(),
  sourceAddress: z.union([ip, z.array(ip).min(1).max(2)]).optional(),
  ehlo: fullName.optional(),
  auth: z.strictObject({ user, passwordFile: path }).optional(),
  maxConnections: z.int().min(1).max(1000).default(MAX_CONNECTIONS),
  messagesPerConnection: z.int().min(1).max(10_000).default(MESSAGES_PER_CONNECTION),
});

export type WrittenConnector = z.infer<typeof connectorSchema>;

export const DEFAULT_MX_PORT: number = SMTP_PORT;

type Complain = (path: Path, message: string, target?: "key" | "value") => void;

/** Complains about what is well-formed and contradicts itself, or would do less than it says. */
export function reportConnectorFaults(written: WrittenConnector, complain: Complain): void {
  const { smarthosts, mx, port, sourceAddress } = written;
  if (!mx && smarthosts === undefined)
    complain([], "expected smarthosts, or mx: true: where its mail goes", "key");
  if (mx && smarthosts !== undefined)
    complain(["mx"], "expected smarthosts or mx, got both", "key");
  if (port !== undefined && !mx)
    complain(["port"], "a smarthost has its port behind its name, as in hub.internal:2525", "key");
  if (Array.isArray(sourceAddress) && new Set(sourceAddress.map(isIP)).size < sourceAddress.length)
    complain(["sourceAddress"], "expected one IPv4 and one IPv6 address, got two of a family");
  reportPolicyFaults(written, complain);
  reportTlsFaults(written, complain);
  reportAuthFaults(written, complain);
}

/** What domains say about their mail servers can be heeded only where it may raise what we demand. */
function reportPolicyFaults({ dane, mtaSts, mx, tls }: WrittenConnector, complain: Complain): void {
  for (const [key, value] of Object.entries({ dane, mtaSts })) {
    if (value !== undefined && !mx)
      complain([key], "a smarthost is met as its connector says; expected mx: true", "key");
    if (value === true && mx && !POLICY_MODES.includes(tls))
      complain([key], `with tls ${tls} no policy of others is heeded`, "key");
  }
}

const POLICY_MODES: readonly string[] = ["opportunistic", "required", "verified"];

function reportTlsFaults(
  { tls, names, ca, pins, cert, key }: WrittenConnector,
  complain: Complain,
) {
  const isVerified = tls === "verified" || tls === "mutual";
  const isChecked = isVerified || tls === "pinned";
  if (names !== undefined && !isVerified)
    complain(["names"], `with tls ${tls} no name is checked; expected verified or mutual`, "key");
  if (ca !== undefined && !isVerified)
    complain(["ca"], `with tls ${tls} no authority is asked; expected verified or mutual`, "key");
  if (tls === "pinned" && pins === undefined)
    complain(["tls"], "pinned needs pins: the SHA-256 fingerprints of certificates or keys");
  if (pins !== undefined && tls !== "pinned")
    complain(["pins"], `with tls ${tls} no pin is compared; expected tls: pinned`, "key");
  if ((cert === undefined) !== (key === undefined))
    complain([cert === undefined ? "key" : "cert"], "expected both cert and key", "key");
  if (tls === "mutual" && cert === undefined)
    complain(["tls"], "mutual needs cert and key: the certificate that we show");
  if (cert !== undefined && !isChecked && tls !== "required")
    complain(["cert"], `with tls ${tls} it may never be shown; expected mutual`, "key");
}

/** A password in the clear, or told to a server that DNS alone vouches for, is given away. */
function reportAuthFaults({ auth, tls, mx }: WrittenConnector, complain: Complain): void {
  if (auth === undefined) return;
  if (mx) complain(["auth"], "a password is for smarthosts, not for whoever DNS names", "key");
  if (tls === "none" || tls === "opportunistic")
    complain(["auth"], `with tls ${tls} the password could be read; expected verified`, "key");
}

function parseSmarthost(text: string): HostPort | null {
  return parseHostPort(text, { defaultPort: SMTP_PORT });
}

function parseCertificateName(text: string): string | null {
  return parseIp(text)?.text ?? parseHostPort(text, { defaultPort: SMTP_PORT })?.host ?? null;
}
