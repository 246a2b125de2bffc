import { decodeName, type EntryList } from "./archive-entry-list.ts";
import { type Asking, type PushReader, skip, take } from "./archive-push-parser.ts";

const MARKER_BYTES = 8;
/** A header may be 2 MiB by the letter; one of a file is its name (at most 64 KiB) and little more. */
const HEADER_BYTES_MAX = 128 * 1024;
/** Seven bits an octet; 64 bits need ten. */
const VINT_OCTETS_MAX = 10;

const FILE = 2;
const ENCRYPTION = 4;
const END = 5;
const HAS_EXTRA = 0x01;
const HAS_DATA = 0x02;
const CONTINUED = 0x18;
const EXTRA_ENCRYPTION = 1;

/** Lists a RAR 5 archive (rarlab.com/technote.htm). Starts at the marker. */
export function* readRar5(list: EntryList): PushReader {
  if (!(yield* skip(MARKER_BYTES))) return list.note("truncated");
  for (;;) {
    const crc = yield* take(4);
    if (crc.octets.length === 0) return;
    const size = yield* takeVint();
    if (!crc.isWhole || size === null) return list.note("truncated");
    if (size === 0 || size > HEADER_BYTES_MAX) return list.note("malformed");
    const { octets, isWhole } = yield* take(size);
    if (!isWhole) return list.note("truncated");
    const fields = createVintReader(octets);
    const type = fields.next();
    if (type === END) return;
    if (type === ENCRYPTION) return list.note("encrypted-names");
    const flags = fields.next();
    const extraBytes = flags & HAS_EXTRA ? fields.next() : 0;
    const dataBytes = flags & HAS_DATA ? fields.next() : 0;
    if (fields.isBroken()) return list.note("malformed");
    if (type === FILE) {
      if (flags & CONTINUED) list.note("truncated");
      if (!addFile(fields, octets.subarray(-extraBytes || octets.length), list)) return;
    }
    if (!(yield* skip(dataBytes))) return list.note("truncated");
  }
}

function addFile(fields: VintReader, extra: Buffer, list: EntryList): boolean {
  const flags = fields.next();
  const bytes = fields.next();
  fields.next();
  fields.skip((flags & 2 ? 4 : 0) + (flags & 4 ? 4 : 0));
  fields.next();
  fields.next();
  const name = fields.octets(fields.next());
  if (fields.isBroken()) list.note("malformed");
  return list.add({
    rawNames: [decodeName(name)],
    isFolder: (flags & 1) !== 0,
    isEncrypted: hasEncryption(extra),
    bytes: flags & 8 ? null : bytes,
  });
}

function hasEncryption(extra: Buffer): boolean {
  const fields = createVintReader(extra);
  while (!fields.isBroken() && !fields.isAtEnd()) {
    const record = createVintReader(fields.octets(fields.next()));
    if (record.next() === EXTRA_ENCRYPTION && !record.isBroken()) return true;
  }
  return false;
}

function* takeVint(): Asking<number | null> {
  let value = 0;
  for (let i = 0; i < VINT_OCTETS_MAX; i++) {
    const octet = (yield* take(1)).octets[0];
    if (octet === undefined) return null;
    value += (octet & 0x7f) * 2 ** (7 * i);
    if (octet < 0x80) return value;
  }
  return value;
}

/** Reads on from field to field; once broken it stays so and gives zeros. */
interface VintReader {
  next(): number;
  octets(count: number): Buffer;
  skip(count: number): void;
  isAtEnd(): boolean;
  isBroken(): boolean;
}

function createVintReader(from: Buffer): VintReader {
  let at = 0;
  let broken = false;
  const octets = (count: number): Buffer => {
    const some = from.subarray(at, at + count);
    if (some.length < count) broken = true;
    at += some.length;
    return some;
  };
  return {
    next() {
      let value = 0;
      for (let i = 0; i < VINT_OCTETS_MAX; i++) {
        const octet = octets(1)[0];
        if (octet === undefined) return 0;
        // Not by shifts: they are of 32 bits, and a size may have more.
        value += (octet & 0x7f) * 2 ** (7 * i);
        if (octet < 0x80) return value;
      }
      broken = true;
      return 0;
    },
    octets,
    skip: (count) => void octets(count),
    isAtEnd: () => at >= from.length,
    isBroken: () => broken,
  };
}
