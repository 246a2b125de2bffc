import { IN_ZIP64, ZIP_CENTRAL, ZIP_END } from "./archive-zip-header.ts";
import type { ZipOctets } from "./archive-zip-octets.ts";

const END_BYTES = 22;
/** APPNOTE 4.3.16: a comment of at most 65535 octets may follow, so readers look back that far. */
const TAIL_BYTES = END_BYTES + 0xffff;
const LOCATOR_BYTES = 20;
const WIDE_END_BYTES = 56;
/** Real files have one. Readers take the last or the first that fits; more is an attack. */
const ENDS_MAX = 8;

/** A central directory as some reader finds it. */
export interface ZipDirectory {
  readonly startAt: number;
  readonly endAt: number;
  /** Added to every place that the directory names. */
  readonly shift: number;
  /** As declared. */
  readonly entries: number;
}

export interface ZipEnds {
  readonly directories: readonly ZipDirectory[];
  /** Behind the last end record and its comment; the size when there is none. */
  readonly behindAt: number;
  readonly hasOtherDisks: boolean;
  readonly hasMore: boolean;
}

/** Every directory that an end record at the end of the octets leads to, the last record first. */
export async function findZipEnds(octets: ZipOctets): Promise<ZipEnds> {
  const tailAt = Math.max(octets.firstAt, octets.size - TAIL_BYTES);
  const tail = await octets.read(tailAt, TAIL_BYTES);
  const places = endPlaces(tail);
  const directories: ZipDirectory[] = [];
  let behindAt = octets.size;
  let hasOtherDisks = false;
  for (const [i, place] of places.slice(0, ENDS_MAX).entries()) {
    const end = tail.subarray(place, place + END_BYTES);
    if (i === 0) behindAt = tailAt + place + END_BYTES + end.readUInt16LE(20);
    const found = await directoriesOf(octets, end, tailAt + place);
    if (found.length > 0 && isSpanned(end)) hasOtherDisks = true;
    directories.push(...found);
  }
  return { directories, behindAt, hasOtherDisks, hasMore: places.length > ENDS_MAX };
}

function endPlaces(tail: Buffer): readonly number[] {
  const places: number[] = [];
  let at = tail.length - END_BYTES;
  while (at >= 0 && places.length <= ENDS_MAX) {
    at = tail.lastIndexOf(ZIP_END, at);
    if (at < 0) break;
    places.push(at);
    at--;
  }
  return places;
}

function isSpanned(end: Buffer): boolean {
  const disks = [end.readUInt16LE(4), end.readUInt16LE(6)];
  return disks.some((disk) => disk !== 0 && disk !== 0xffff);
}

async function directoriesOf(
  octets: ZipOctets,
  end: Buffer,
  endAt: number,
): Promise<readonly ZipDirectory[]> {
  const narrow = {
    entries: end.readUInt16LE(10),
    bytes: end.readUInt32LE(12),
    offset: end.readUInt32LE(16),
    endAt,
  };
  const wide = await wideEnd(octets, endAt);
  const found: ZipDirectory[] = [];
  for (const record of wide ? [wide, narrow] : [narrow])
    for (const directory of readings(record))
      if (await isDirectory(octets, directory)) found.push(directory);
  return found.filter((one, i) => found.findIndex((two) => two.startAt === one.startAt) === i);
}

interface EndRecord {
  readonly entries: number;
  readonly bytes: number;
  readonly offset: number;
  readonly endAt: number;
}

/** Some readers go back from the end record by the size, others forward from the start. */
function readings(record: EndRecord): readonly ZipDirectory[] {
  const { bytes, offset, endAt, entries } = record;
  const back = { startAt: endAt - bytes, endAt, shift: endAt - bytes - offset, entries };
  const forward = { startAt: offset, endAt, shift: 0, entries };
  return offset === IN_ZIP64 || back.startAt === offset ? [back] : [back, forward];
}

async function isDirectory(octets: ZipOctets, { startAt, endAt, entries }: ZipDirectory) {
  if (startAt < 0 || startAt > endAt) return false;
  if (startAt === endAt) return entries === 0;
  return ZIP_CENTRAL.equals(await octets.read(startAt, ZIP_CENTRAL.length));
}

/** ZIP64 (4.3.14, 4.3.15): a locator stands right before the end record. */
async function wideEnd(octets: ZipOctets, endAt: number): Promise<EndRecord | null> {
  const locator = await octets.read(endAt - LOCATOR_BYTES, LOCATOR_BYTES);
  if (locator.toString("latin1", 0, 4) !== "PK\x06\x07") return null;
  const said = Number(locator.readBigUInt64LE(8));
  for (const at of [said, endAt - LOCATOR_BYTES - WIDE_END_BYTES]) {
    const record = await octets.read(at, WIDE_END_BYTES);
    if (record.length < WIDE_END_BYTES || record.toString("latin1", 0, 4) !== "PK\x06\x06")
      continue;
    const [entries, bytes, offset] = [32, 40, 48].map((i) => Number(record.readBigUInt64LE(i)));
    return { entries: entries ?? 0, bytes: bytes ?? 0, offset: offset ?? 0, endAt: at };
  }
  return null;
}
