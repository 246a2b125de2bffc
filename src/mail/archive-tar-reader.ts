import { decodeField, decodeName, type EntryList } from "./archive-entry-list.ts";
import { type Asking, type PushReader, skip, type Taken, take } from "./archive-push-parser.ts";
import { isTarHeader, parseTarHeader, TAR_BLOCK_BYTES } from "./archive-tar-header.ts";

/** GNU and pax give names of any length; 64 KiB is sixteen times what a file system takes. */
const EXTENSION_BYTES_MAX = 64 * 1024;
/** Types whose "size" is not followed by octets: links, devices, folders, FIFOs (POSIX pax). */
const WITHOUT_DATA = "123456";
const EXTENSION_TYPES = "LKxgX";

/** What extension entries say of the entry after them. */
interface Extension {
  readonly names: readonly string[];
  readonly bytes: number | null;
}

const NO_EXTENSION: Extension = { names: [], bytes: null };

/** Lists a tar with GNU long names and pax records (POSIX.1-2017, pax; GNU tar manual). */
export function* readTar(list: EntryList): PushReader {
  let extension = NO_EXTENSION;
  let sawEnd = false;
  for (;;) {
    const block = yield* take(TAR_BLOCK_BYTES);
    if (!block.isWhole) return noteEnd(block, sawEnd, list);
    if (block.octets.every((octet) => octet === 0)) {
      sawEnd = true;
      continue;
    }
    // Behind the end some readers (`tar -i`) go on, so look there too.
    if (sawEnd) list.note("data-behind");
    if (!isTarHeader(block.octets)) {
      if (!sawEnd) return list.note("malformed");
      continue;
    }
    const header = parseTarHeader(block.octets);
    if (header.bytes === null) return list.note("malformed");
    if (EXTENSION_TYPES.includes(header.type)) {
      const next = yield* readExtension(header.type, header.bytes, extension, list);
      if (!next) return;
      extension = next;
      continue;
    }
    if (header.hasMoreHeader && !(yield* skipSparseMap(list))) return;
    const bytes = extension.bytes ?? header.bytes;
    // Readers that ignore the pax size see other entries.
    if (bytes !== header.bytes) list.note("malformed");
    const rawNames = [...extension.names, header.name];
    const isFolder = header.type === "5" || (bytes === 0 && header.name.endsWith("/"));
    if (!list.add({ rawNames, isFolder, isEncrypted: false, bytes })) return;
    extension = NO_EXTENSION;
    const data = WITHOUT_DATA.includes(header.type) ? 0 : bytes;
    if (!(yield* skip(padded(data)))) return list.note("truncated");
  }
}

/** Null when the list ends here. */
function* readExtension(
  type: string,
  bytes: number,
  before: Extension,
  list: EntryList,
): Asking<Extension | null> {
  if (bytes > EXTENSION_BYTES_MAX) {
    list.note("malformed");
    return null;
  }
  const { octets, isWhole } = yield* take(padded(bytes));
  if (!isWhole) {
    list.note("truncated");
    return null;
  }
  const text = octets.subarray(0, bytes);
  if (type === "L") return { ...before, names: [decodeField(text)] };
  if (type === "K" || type === "g") return before;
  return withPax(parsePax(text, list), before);
}

function withPax(records: ReadonlyMap<string, string>, before: Extension): Extension {
  const names = ["path", "GNU.sparse.name"].flatMap((key) => records.get(key) ?? []);
  const size = records.get("size");
  const bytes = size !== undefined && /^\d{1,15}$/.test(size) ? Number(size) : before.bytes;
  return { names: names.length > 0 ? names : before.names, bytes };
}

/** `LENGTH KEY=VALUE\n`, where the length counts the whole record. */
function parsePax(text: Buffer, list: EntryList): ReadonlyMap<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < text.length; ) {
    const match = /^(\d{1,6}) ([^=\0]{1,100})=/.exec(text.toString("latin1", at, at + 120));
    const length = Number(match?.[1]);
    if (!match?.[2] || length <= match[0].length || at + length > text.length) {
      list.note("malformed");
      break;
    }
    records.set(match[2], decodeName(text.subarray(at + match[0].length, at + length - 1)));
    at += length;
  }
  return records;
}

function* skipSparseMap(list: EntryList): Asking<boolean> {
  for (;;) {
    const { octets, isWhole } = yield* take(TAR_BLOCK_BYTES);
    if (!isWhole) {
      list.note("truncated");
      return false;
    }
    if (octets[504] === 0) return true;
  }
}

function noteEnd(last: Taken, sawEnd: boolean, list: EntryList): void {
  if (last.octets.length > 0) list.note(sawEnd ? "data-behind" : "truncated");
}

function padded(bytes: number): number {
  return Math.ceil(bytes / TAR_BLOCK_BYTES) * TAR_BLOCK_BYTES;
}
