import { z } from "zod";
import { parseCidr } from "./net/ip.ts";
import { parsedText } from "./policy/parsed-text.ts";
import type { CertificateFiles } from "./smtp/certificate.ts";
import { toFingerprint } from "./smtp/client-certificate.ts";
import type { ListenerTlsFiles } from "./smtp/listener-tls.ts";

const path = z.string().min(1);
const pair = z.strictObject({ cert: path, key: path });
const pin = parsedText(toFingerprint, "a SHA-256 fingerprint of 64 hexadecimal digits");

/** Each handshake looks at all of them. */
const MAX_CERTIFICATES = 100;
/** A reply line is 512 octets (RFC 5321 4.5.3.1.5); a host name takes up to 255 of them. */
const MAX_BANNER_CHARS = 128;

export const tlsSchema = z.strictObject({
  cert: path.optional(),
  key: path.optional(),
  also: z.array(pair).max(MAX_CERTIFICATES).optional(),
  clientCa: path.optional(),
  clientPins: z.array(pin).min(1).max(MAX_CERTIFICATES).optional(),
  required: z.boolean().optional(),
});

/** The file of those who may log on; long: whether nothing else permits to send. */
export const authSchema = z.union([
  path,
  z.strictObject({ users: path, required: z.boolean().default(false) }),
]);

export const bannerSchema = z
  .string()
  .max(MAX_BANNER_CHARS)
  .regex(/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/, "expected printable ASCII");

/** As written: logs and `explain` show it like that. */
export const networkSchema = parsedText(
  (text) => (parseCidr(text) === null ? null : text),
  "an address or a network such as 10.1.0.0/16",
);

export type WrittenTls = z.infer<typeof tlsSchema>;

export interface TlsSettings extends ListenerTlsFiles {
  readonly required: boolean;
}

export interface AuthSettings {
  readonly users: string;
  /** A password and nothing else permits to send. */
  readonly required: boolean;
}

export function toAuthSettings(
  auth: z.infer<typeof authSchema> | undefined,
  toPath: (path: string) => string,
): AuthSettings | null {
  if (auth === undefined) return null;
  const { users, required } = typeof auth === "string" ? { users: auth, required: false } : auth;
  return { users: toPath(users), required };
}

/** `toPath` makes a path absolute. */
export function toTlsSettings(tls: WrittenTls, toPath: (path: string) => string): TlsSettings {
  const { cert, key, also = [], clientCa, clientPins = [], required = false } = tls;
  const files = (one: CertificateFiles) => ({ cert: toPath(one.cert), key: toPath(one.key) });
  return {
    own: cert !== undefined && key !== undefined ? files({ cert, key }) : null,
    also: also.map(files),
    clientCa: clientCa === undefined ? null : toPath(clientCa),
    clientPins,
    required,
  };
}

interface WrittenListener {
  readonly kind: "internet" | "hub" | "partner";
  readonly from?: readonly string[] | undefined;
  readonly tls?: WrittenTls | undefined;
  readonly auth?: unknown;
}

type Complain = (path: readonly (string | number)[], message: string) => void;

/** Complains about a listener that contradicts itself, or would relay for the whole world. */
export function reportListenerFaults(listener: WrittenListener, complain: Complain): void {
  const { kind, from, tls = {}, auth } = listener;
  const verifies = tls.clientCa !== undefined || tls.clientPins !== undefined;
  if ((tls.cert === undefined) !== (tls.key === undefined))
    complain(["tls"], "expected both cert and key, or neither");
  if (kind === "internet") reportInternet(listener, complain);
  if (kind === "hub" && from === undefined && !verifies && auth === undefined)
    complain(
      ["kind"],
      "a hub listener needs from, tls.clientCa, tls.clientPins or auth: who may relay",
    );
  if (kind !== "hub" && auth !== undefined)
    complain(["auth"], "only a hub listener has users: whoever logs on may relay anywhere");
  if (kind === "partner" && !verifies)
    complain(
      ["kind"],
      "a partner listener needs tls.clientCa or tls.clientPins: who the partner is",
    );
  if (kind === "partner" && tls.required === false)
    complain(["tls", "required"], "a partner listener always requires TLS");
  if (kind !== "hub") return;
  for (const [index, network] of (from ?? []).entries()) {
    if (!isTooWide(network)) continue;
    complain(["from", index], `\`${network}\` is so wide that the gateway would be an open relay`);
  }
}

/** What would be believed to permit something and permits nothing. */
function reportInternet({ from, tls = {} }: WrittenListener, complain: Complain): void {
  const message = "only a hub or partner listener knows its clients; this one is for the internet";
  if (from !== undefined) complain(["from"], message);
  if (tls.clientCa !== undefined) complain(["tls", "clientCa"], message);
  if (tls.clientPins !== undefined) complain(["tls", "clientPins"], message);
}

/** 10.0.0.0/8 and fd00::/8 are the widest private networks that somebody owns whole. */
const WIDEST_BITS = 8;

function isTooWide(network: string): boolean {
  const range = parseCidr(network);
  return range !== null && range.bits < WIDEST_BITS;
}
