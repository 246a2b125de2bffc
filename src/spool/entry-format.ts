import { hash } from "node:crypto";
import type { HoldOrder, NewSpoolItem, SpoolItem } from "./spool.ts";

/**
 * One entry is one file:
 *
 *   <record> LF          header: the item as it was added, and how many octets the message has
 *   <message octets>
 *   <record> LF          seal: the hash of those octets. Without it the file is a draft
 *   <record> LF ...      one more after each attempt, crash, hold and release, and for an order to hold
 *                        it after the attempt: what is left, and when
 *
 * A record is the SHA-256 of its JSON, a blank, the JSON. Records are only appended, so the message
 * is written once, however often it is retried. A last record without LF was cut by a crash before
 * it was promised, and the one before it holds; anything else that does not fit is damage.
 */
export interface EntryHeader {
  readonly v: 1;
  readonly id: string;
  readonly bytes: number;
  readonly item: NewSpoolItem;
}

export interface Seal {
  readonly sha256: string;
}

/**
 * What an attempt left: recipients by their place in the header. The last one holds, so each tells
 * all that is not in the header. Whether an entry is held is told by its folder; `held` by whom. In
 * active/ that is the order to hold it when its attempt is over.
 */
export interface Left {
  readonly recipients: readonly number[];
  readonly dueAt: number;
  readonly attempts: number;
  readonly reason: string;
  /** Absent: no. */
  readonly delayTold?: boolean;
  /** When it was written. Absent in records of earlier versions. */
  readonly at?: number;
  readonly crashes?: number;
  readonly held?: HoldOrder;
}

/** An entry as its file tells it. */
export interface Entry {
  readonly item: SpoolItem;
  /** Of the header, for the places in `Left`. */
  readonly allRecipients: SpoolItem["envelope"]["recipients"];
  /** The last record; null while there is none. */
  readonly last: Left | null;
  /** Where the message begins in the file. */
  readonly offset: number;
  /** Where the next record goes. */
  readonly end: number;
  readonly sha256: string;
}

/** Why a file is no entry. */
export class CorruptEntry extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = "CorruptEntry";
  }
}

/** A header lists at most a few hundred recipients; more is not ours. */
export const MAX_HEADER_BYTES: number = 1024 * 1024;
/** Of the records at the end only the last counts; so much of them is read. */
export const MAX_RECORDS_BYTES: number = 1024 * 1024;

export function toRecord(value: EntryHeader | Seal | Left): Buffer {
  const json = JSON.stringify(value);
  return Buffer.from(`${hash("sha256", json)} ${json}\n`);
}

/** The header, when `head` (the beginning of the file) holds all of it. Throws CorruptEntry. */
export function parseHeader(head: Buffer): { header: EntryHeader; offset: number } | null {
  const lf = head.indexOf(10);
  if (lf < 0) {
    if (head.length >= MAX_HEADER_BYTES) throw new CorruptEntry("the header does not end");
    return null;
  }
  const header = parseRecord<EntryHeader>(head.subarray(0, lf));
  if (header.v !== 1) throw new CorruptEntry(`unknown version ${header.v}`);
  return { header, offset: lf + 1 };
}

/**
 * `tail`: what stands behind the message, beginning with the seal; `skipped` octets of records
 * after the seal may be left out. Throws CorruptEntry.
 */
export function parseEntry(header: EntryHeader, offset: number, tail: Buffer, skipped = 0): Entry {
  const lines = completeLines(tail);
  const { seal, records } = parseTail(lines);
  const { sha256 } = seal;
  const length = lines.reduce((sum, line) => sum + line.length + 1, 0);
  const { id, bytes, item } = header;
  const allRecipients = item.envelope.recipients;
  const fresh = { ...item, id, bytes, attempts: 0 };
  const last = records.at(-1);
  return {
    item: last ? applyLeft(fresh, allRecipients, last) : fresh,
    allRecipients,
    last: last ?? null,
    offset,
    end: offset + bytes + skipped + length,
    sha256,
  };
}

export function applyLeft(
  item: SpoolItem,
  allRecipients: Entry["allRecipients"],
  left: Left,
): SpoolItem {
  const recipients = left.recipients.flatMap((place) => allRecipients[place] ?? []);
  if (recipients.length !== left.recipients.length) throw new CorruptEntry("no such recipient");
  const { dueAt, attempts, reason, crashes, held, delayTold } = left;
  const { crashes: _crashes, held: _held, ...rest } = item;
  return {
    ...rest,
    envelope: { ...item.envelope, recipients },
    dueAt,
    attempts,
    reason,
    ...(crashes !== undefined && { crashes }),
    ...(held && { held }),
    ...(delayTold && { delayTold }),
  };
}

/** Places in the header. By identity first: one address may stand there twice. */
export function toPlaces(entry: Entry, recipients: Entry["allRecipients"]): readonly number[] {
  const taken = new Set<number>();
  return recipients.map((wanted) => {
    const place = entry.allRecipients.findIndex(
      (known, at) => !taken.has(at) && known.address.spoken === wanted.address.spoken,
    );
    if (place < 0) throw new Error(`${entry.item.id} has no recipient ${wanted.address.spoken}`);
    taken.add(place);
    return place;
  });
}

/** The record that would say again what the entry is now, but for the changes. */
export function toLeft(entry: Entry, change: Partial<Left>): Left {
  const { dueAt, attempts, reason } = entry.item;
  const recipients = entry.allRecipients.map((_recipient, place) => place);
  return { recipients, dueAt, attempts, reason, ...entry.last, ...change };
}

/** The lines behind the message. Throws CorruptEntry. */
function parseTail(lines: readonly Buffer[]): {
  readonly seal: Seal;
  readonly records: readonly Left[];
} {
  const [first, ...rest] = lines;
  if (!first) throw new CorruptEntry("cut before its seal");
  return {
    seal: parseRecord<Seal>(first),
    records: rest.map((line) => parseRecord<Left>(line)),
  };
}

/** What was noted after each attempt, as far as it was read. Throws CorruptEntry. */
export function parseHistory(tail: Buffer): readonly Left[] {
  return parseTail(completeLines(tail)).records;
}

function completeLines(tail: Buffer): readonly Buffer[] {
  const lines: Buffer[] = [];
  let start = 0;
  for (let lf = tail.indexOf(10); lf !== -1; lf = tail.indexOf(10, start)) {
    lines.push(tail.subarray(start, lf));
    start = lf + 1;
  }
  return lines;
}

const HASH_CHARS = 64;

function parseRecord<T>(line: Buffer): T {
  const json = line.subarray(HASH_CHARS + 1);
  const said = line.subarray(0, HASH_CHARS + 1).toString("latin1");
  if (said !== `${hash("sha256", json)} `) throw new CorruptEntry("a record is damaged");
  return JSON.parse(json.toString("utf8"));
}
