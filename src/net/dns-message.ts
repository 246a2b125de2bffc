import { randomInt } from "node:crypto";
import { type Answer, AUTHENTIC_DATA, decode, encode, RECURSION_DESIRED } from "dns-packet";
import { canonicalName } from "./dns-name.ts";
import type { RecordType } from "./resolver.ts";

/** What is asked. The name is canonical (dns-name.ts). */
export interface DnsQuestion {
  readonly name: string;
  readonly type: RecordType;
}

/** A query on the wire, with what an answer to it must repeat. */
export interface DnsQuery {
  readonly id: number;
  readonly question: DnsQuestion;
  readonly bytes: Buffer;
}

/** The parts of an answer that we look at. */
export interface DnsMessage {
  /** "NOERROR", "NXDOMAIN", "SERVFAIL", … */
  readonly rcode: string;
  readonly truncated: boolean;
  /** The AD bit: the server says that it has validated all of this. */
  readonly authenticated: boolean;
  readonly answers: readonly Answer[];
  readonly authorities: readonly Answer[];
}

/** DNS flag day 2020: the largest UDP answer that is not fragmented, and so not half forged. */
const UDP_PAYLOAD_BYTES = 1232;
const ID_VALUES = 0x10000;
const HEADER_BYTES = 12;
/**
 * All sections together. Each name of a hostile message may be a chain of thousands of compression
 * pointers, so the cost of decoding is bounded by the number of names.
 */
const MAX_RECORDS = 1000;

/**
 * A fresh query: the id is as random as the port, so that an answer cannot be guessed (RFC 5452).
 * `asksAd`: the AD bit asks the server to say whether it validated (RFC 6840 5.7). Signatures (DO)
 * are not asked for: we do not validate ourselves, and they would make answers many times as long.
 */
export function toQuery(question: DnsQuestion, asksAd = false): DnsQuery {
  const id = randomInt(ID_VALUES);
  const bytes = encode({
    type: "query",
    id,
    flags: asksAd ? RECURSION_DESIRED | AUTHENTIC_DATA : RECURSION_DESIRED,
    questions: [{ name: question.name, type: question.type, class: "IN" }],
    additionals: [
      {
        type: "OPT",
        name: ".",
        udpPayloadSize: UDP_PAYLOAD_BYTES,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: 0,
        flag_do: false,
        options: [],
      },
    ],
  });
  return { id, question, bytes };
}

/** The answer to this very query, or null for rubbish and for an answer to anything else. */
export function readMessage(bytes: Buffer, query: DnsQuery): DnsMessage | null {
  if (bytes.length < HEADER_BYTES || bytes.readUInt16BE(0) !== query.id) return null;
  if (countRecords(bytes) > MAX_RECORDS) return null;
  const packet = tryDecode(bytes);
  if (packet?.type !== "response" || packet.opcode !== "QUERY") return null;
  if (packet.questions?.length !== 1) return null;
  const [asked] = packet.questions;
  if (!asked || asked.type !== query.question.type || asked.class !== "IN") return null;
  if (canonicalName(asked.name) !== query.question.name) return null;
  const extended = packet.additionals?.find((record) => record.type === "OPT")?.extendedRcode ?? 0;
  return {
    rcode: extended === 0 ? packet.rcode : `EXTENDED${extended}`,
    truncated: packet.flag_tc,
    authenticated: packet.flag_ad,
    answers: packet.answers ?? [],
    authorities: packet.authorities ?? [],
  };
}

function countRecords(bytes: Buffer): number {
  let count = 0;
  for (let offset = 4; offset < HEADER_BYTES; offset += 2) count += bytes.readUInt16BE(offset);
  return count;
}

/** The types of dns-packet leave out the fields that it makes of the flags. */
type Decoded = ReturnType<typeof decode> & { readonly rcode: string; readonly opcode: string };

/**
 * dns-packet reads past the end without a word: a message that was cut within a TXT record would be
 * a shorter record, `v=spf1` of `v=spf1 -all`.
 */
function tryDecode(bytes: Buffer): Decoded | null {
  try {
    const decoded = decode(bytes) as Decoded;
    // Its count may be NaN by then.
    return decode.bytes <= bytes.length ? decoded : null;
  } catch {
    return null;
  }
}
