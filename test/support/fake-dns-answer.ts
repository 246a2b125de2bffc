import {
  type Answer,
  AUTHENTIC_DATA,
  type DecodedPacket,
  encode,
  type Packet,
  type Question,
  RECURSION_AVAILABLE,
  TRUNCATED_RESPONSE,
} from "dns-packet";
import type { Behaviour } from "./fake-dns.ts";

/** Everything one name has. Strings are octets, one char each. */
export interface FakeHost {
  readonly A?: readonly string[];
  readonly AAAA?: readonly string[];
  readonly MX?: readonly (readonly [preference: number, exchange: string])[];
  /** A list is one record of several character-strings. */
  readonly TXT?: readonly (string | readonly string[])[];
  readonly PTR?: readonly string[];
  readonly CNAME?: string;
  readonly TLSA?: readonly (readonly [
    usage: number,
    selector: number,
    matchingType: number,
    hex: string,
  ])[];
  readonly ttl?: number;
  /**
   * The AD bit is set for who asks for it; for names that do not exist below it as well. Every
   * answer of a CNAME chain must be so.
   */
  readonly secure?: boolean;
  /** Types it does not have are never answered. */
  readonly silent?: boolean;
}

export type FakeZone = Readonly<Record<string, FakeHost>>;

interface AnswerContext {
  readonly transport: "udp" | "tcp";
  readonly behaviour: Behaviour;
  readonly negativeTtl: number | null;
}

const SERVFAIL = 2;
const NXDOMAIN = 3;
const REFUSED = 5;
const MAX_UDP_BYTES = 1232;
const MAX_CNAMES = 20;
const DEFAULT_TTL = 300;

/** The bytes of the answer, or null for a name that stays silent. */
export function dnsAnswer(
  zone: ReadonlyMap<string, FakeHost>,
  query: DecodedPacket,
  context: AnswerContext,
): Buffer | null {
  const [question] = query.questions ?? [];
  if (!question) return null;
  const { behaviour, transport } = context;
  if (behaviour === "servfail") return respond(query, { flags: SERVFAIL });
  if (behaviour === "refused") return respond(query, { flags: REFUSED });
  if (behaviour === "truncate-always") return respond(query, { flags: TRUNCATED_RESPONSE });
  if (transport === "udp" && (behaviour === "truncate" || behaviour === "cut-tcp"))
    return respond(query, { flags: TRUNCATED_RESPONSE });
  const found = resolve(zone, question);
  if (found === "silent") return null;
  const authorities = found.answers.length === 0 ? soa(context.negativeTtl) : [];
  const flags = found.rcode | (found.secure && query.flag_ad ? AUTHENTIC_DATA : 0);
  const bytes = respond(query, { flags, answers: found.answers, authorities });
  return transport === "udp" && bytes.length > MAX_UDP_BYTES
    ? respond(query, { flags: TRUNCATED_RESPONSE })
    : bytes;
}

/** Answers that nobody may believe: each says 192.0.2.66. */
export function forgedAnswers(query: DecodedPacket) {
  const [question] = query.questions ?? [];
  const name = question?.name ?? "";
  const lie: Answer = { type: "A", name, ttl: 60, data: "192.0.2.66" };
  const wrongId = respond({ ...query, id: ((query.id ?? 0) + 1) & 0xffff }, { answers: [lie] });
  const wrongName = respond(
    { ...query, questions: [{ type: "A", name: "other.example" }] },
    { answers: [{ ...lie, name: "other.example" }] },
  );
  return {
    fromStranger: [respond(query, { answers: [lie] })],
    fromServer: [wrongId, wrongName, Buffer.from("rubbish"), Buffer.alloc(0)],
  };
}

function respond(query: DecodedPacket, packet: Packet): Buffer {
  const { flags = 0, answers = [], authorities = [] } = packet;
  return encode({
    type: "response",
    ...(query.id === undefined ? {} : { id: query.id }),
    flags: flags | RECURSION_AVAILABLE,
    questions: query.questions ?? [],
    answers,
    authorities,
  });
}

interface Resolved {
  readonly rcode: number;
  readonly answers: Answer[];
  readonly secure: boolean;
}

function resolve(zone: ReadonlyMap<string, FakeHost>, question: Question): Resolved | "silent" {
  const answers: Answer[] = [];
  let name = question.name.toLowerCase();
  let secure = true;
  for (let links = 0; links < MAX_CNAMES; links++) {
    const host = zone.get(name);
    secure &&= isSecure(zone, name);
    if (!host) return { rcode: hasNamesBelow(zone, name) ? 0 : NXDOMAIN, answers, secure };
    if (host.CNAME === undefined || question.type === "CNAME") {
      const records = recordsOf(name, host, question.type);
      if (records.length === 0 && host.silent) return "silent";
      return { rcode: 0, answers: [...answers, ...records], secure };
    }
    answers.push({ type: "CNAME", name, ttl: host.ttl ?? DEFAULT_TTL, data: host.CNAME });
    name = host.CNAME.toLowerCase().replace(/\.$/, "");
  }
  return { rcode: 0, answers, secure };
}

/** As the name itself says, else the nearest above it. */
function isSecure(zone: ReadonlyMap<string, FakeHost>, name: string): boolean {
  for (let at = 0; ; at = name.indexOf(".", at) + 1) {
    const host = zone.get(name.slice(at));
    if (host) return host.secure ?? false;
    if (name.indexOf(".", at) < 0) return false;
  }
}

function recordsOf(name: string, host: FakeHost, type: string): Answer[] {
  const ttl = host.ttl ?? DEFAULT_TTL;
  if (type === "A" || type === "AAAA" || type === "PTR")
    return (host[type] ?? []).map((data) => ({ type, name, ttl, data }));
  if (type === "CNAME") return host.CNAME ? [{ type, name, ttl, data: host.CNAME }] : [];
  if (type === "MX")
    return (host.MX ?? []).map(([preference, exchange]) => ({
      type,
      name,
      ttl,
      data: { preference, exchange: exchange === "" ? "." : exchange },
    }));
  if (type === "TXT")
    return (host.TXT ?? []).map((text) => ({ type, name, ttl, data: toStrings(text) }));
  if (type === "TLSA")
    return (host.TLSA ?? []).map(([usage, selector, matchingType, hex]) => {
      const certificate = Buffer.from(hex, "hex");
      return { type, name, ttl, data: { usage, selector, matchingType, certificate } };
    });
  return [];
}

/** RFC 1035 3.3: a character-string holds 255 octets. */
function toStrings(text: string | readonly string[]): Buffer[] {
  const parts = typeof text === "string" ? (text.match(/[\s\S]{1,255}/g) ?? [""]) : text;
  return parts.map((part) => Buffer.from(part, "latin1"));
}

function hasNamesBelow(zone: ReadonlyMap<string, FakeHost>, name: string): boolean {
  return [...zone.keys()].some((key) => key.endsWith(`.${name}`));
}

function soa(ttl: number | null): Answer[] {
  if (ttl === null) return [];
  const data = { mname: "ns.invalid", rname: "root.invalid", minimum: ttl };
  return [{ type: "SOA", name: ".", ttl, data }];
}
