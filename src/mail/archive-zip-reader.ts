import type { EntryList } from "./archive-entry-list.ts";
import { findZipEnds, type ZipDirectory } from "./archive-zip-end.ts";
import {
  CENTRAL_FIXED_BYTES,
  centralVariableBytes,
  LOCAL_FIXED_BYTES,
  localVariableBytes,
  parseCentral,
  parseLocal,
  ZIP_CENTRAL,
  ZIP_LOCAL,
  type ZipHeader,
} from "./archive-zip-header.ts";
import type { ZipOctets } from "./archive-zip-octets.ts";

const SCAN_BYTES = 64 * 1024;
const SIGNATURE_BYTES = 4;
/** Headers cut off by the end: real archives have one; each costs a read of up to 128 KiB. */
const BROKEN_MAX = 16;

/** What is known of a zip while it is read. */
interface ZipReading {
  readonly octets: ZipOctets;
  readonly list: EntryList;
  /** Headers read, by place; the value is where what they head ends. */
  readonly centralEnds: Map<number, number>;
  readonly localEnds: Map<number, number>;
  hasDirectory: boolean;
}

/**
 * Lists a zip as its readers see it: those that go by an end record (any that fits), and those
 * that go from local header to local header. False when no reader takes it for a zip.
 */
export async function readZip(octets: ZipOctets, list: EntryList): Promise<boolean> {
  const ends = await findZipEnds(octets);
  const hasDirectory = ends.directories.length > 0;
  const startsAsZip = octets.firstAt === 0;
  if (!hasDirectory && !startsAsZip && !(await isSpanMarker(octets))) return false;
  const reading: ZipReading = {
    octets,
    list,
    centralEnds: new Map(),
    localEnds: new Map(),
    hasDirectory,
  };
  if (!hasDirectory) list.note("truncated");
  if (ends.hasOtherDisks) list.note("truncated");
  if (ends.hasMore) list.note("malformed");
  if (hasDirectory && ends.behindAt < octets.size) list.note("data-behind");
  if (ends.behindAt > octets.size) list.note("malformed");
  for (const directory of ends.directories) {
    // A zip that is stored in this one, near its end, has an end record of its own.
    if (isInsideEntry(reading, directory.endAt)) continue;
    if (!(await readDirectory(reading, directory))) return true;
  }
  noteOverlap(reading);
  await walkHeaders(reading);
  return true;
}

/** Archives of several parts, or made for them, start with a marker (APPNOTE 8.5.4, 8.5.5). */
async function isSpanMarker(octets: ZipOctets): Promise<boolean> {
  if (octets.firstAt !== SIGNATURE_BYTES) return false;
  return ZIP_LOCAL.equals(await octets.read(octets.firstAt, SIGNATURE_BYTES));
}

function isInsideEntry({ localEnds }: ZipReading, place: number): boolean {
  for (const [at, end] of localEnds) if (at <= place && place < end) return true;
  return false;
}

/** False when the list is full. */
async function readDirectory(reading: ZipReading, directory: ZipDirectory): Promise<boolean> {
  let entries = 0;
  let firstAt = directory.startAt;
  let at = directory.startAt;
  while (at < directory.endAt) {
    if (reading.centralEnds.has(at)) return true;
    const central = await readCentral(reading.octets, at);
    if (!central) break;
    entries++;
    reading.centralEnds.set(at, at + central.length);
    firstAt = Math.min(firstAt, (central.localAt ?? 0) + directory.shift);
    if (!(await addCentral(reading, central, directory))) return false;
    at += central.length;
  }
  if (firstAt > 0) reading.list.note("data-before");
  // 16 bits of a count wrap: an archive of more entries than that needs ZIP64, but readers differ.
  if (entries !== directory.entries) reading.list.note("malformed");
  return true;
}

/** False when the list is full. */
async function addCentral(
  { octets, list, localEnds }: ZipReading,
  central: ZipHeader,
  { startAt, shift }: ZipDirectory,
): Promise<boolean> {
  const localAt = central.localAt === null ? -1 : central.localAt + shift;
  const local = await readLocal(octets, localAt);
  if (!local) list.note(localAt >= octets.size ? "truncated" : "malformed");
  else {
    if (local.storedName !== central.storedName) list.note("name-mismatch");
    const end = localAt + local.length + (central.packedBytes ?? 0);
    if (end > octets.size) list.note("truncated");
    // The same octets as two entries, or a bomb of one kernel (Fifield 2019).
    if (localEnds.has(localAt) || end > startAt) list.note("overlap");
    localEnds.set(localAt, end);
  }
  return addEntry(list, central, local);
}

function addEntry(list: EntryList, header: ZipHeader, other: ZipHeader | null): boolean {
  if (header.isMasked || other?.isMasked) list.note("encrypted-names");
  return list.add({
    rawNames: [...new Set([...header.rawNames, ...(other?.rawNames ?? [])])],
    isFolder: header.isFolder && header.bytes === 0,
    isEncrypted: header.isEncrypted || (other?.isEncrypted ?? false),
    bytes: header.bytes,
  });
}

function noteOverlap(reading: ZipReading): void {
  const ranges = [...reading.localEnds].sort(([a], [b]) => a - b);
  if (ranges.some(([, end], i) => end > (ranges[i + 1]?.[0] ?? Number.POSITIVE_INFINITY)))
    reading.list.note("overlap");
}

/** Forward over the whole, as streaming readers go: finds headers that no directory names. */
async function walkHeaders(reading: ZipReading): Promise<void> {
  const { octets, list } = reading;
  const seen = new Set<string>();
  let broken = 0;
  let at = await nextHeader(octets, octets.firstAt);
  while (at < octets.size && broken < BROKEN_MAX) {
    const known = reading.localEnds.get(at) ?? reading.centralEnds.get(at);
    const local = known === undefined ? await readLocal(octets, at) : null;
    const header = local ?? (known === undefined ? await readCentral(octets, at) : null);
    if (header && (local || !seen.has(header.storedName))) {
      if (reading.hasDirectory) list.note("name-mismatch");
      if (!addEntry(list, header, null)) return;
      seen.add(header.storedName);
    }
    if (known === undefined && !header) broken++;
    const end = known ?? (header ? at + header.length + (local?.packedBytes ?? 0) : at + 1);
    at = await nextHeader(octets, end);
  }
  if (broken > 0) list.note("truncated");
}

/** The place of the next local or central header at or behind `from`, or the size. */
async function nextHeader(octets: ZipOctets, from: number): Promise<number> {
  for (let at = from; at < octets.size; at += SCAN_BYTES - SIGNATURE_BYTES + 1) {
    const some = await octets.read(at, SCAN_BYTES);
    const local = some.indexOf(ZIP_LOCAL);
    const before = local < 0 ? some : some.subarray(0, local + SIGNATURE_BYTES - 1);
    const central = before.indexOf(ZIP_CENTRAL);
    if (central >= 0) return at + central;
    if (local >= 0) return at + local;
  }
  return octets.size;
}

async function readLocal(octets: ZipOctets, at: number): Promise<ZipHeader | null> {
  const fixed = await octets.read(at, LOCAL_FIXED_BYTES);
  if (fixed.length < LOCAL_FIXED_BYTES || fixed.indexOf(ZIP_LOCAL) !== 0) return null;
  const bytes = LOCAL_FIXED_BYTES + localVariableBytes(fixed);
  const whole = await octets.read(at, bytes);
  return whole.length < bytes ? null : parseLocal(whole);
}

async function readCentral(octets: ZipOctets, at: number): Promise<ZipHeader | null> {
  const fixed = await octets.read(at, CENTRAL_FIXED_BYTES);
  if (fixed.length < CENTRAL_FIXED_BYTES || fixed.indexOf(ZIP_CENTRAL) !== 0) return null;
  const bytes = CENTRAL_FIXED_BYTES + centralVariableBytes(fixed);
  const whole = await octets.read(at, bytes);
  return whole.length < bytes ? null : parseCentral(whole);
}
