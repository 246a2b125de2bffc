import { decodeName, type EntryList } from "./archive-entry-list.ts";
import { type PushReader, skip, take, takeUntilNul } from "./archive-push-parser.ts";

const HEADER_BYTES = 36;
const FILE_BYTES = 16;
/** MS-CAB 2.3: 255 octets and the NUL. */
const NAME_BYTES_MAX = 256;
/** Files that begin in the cabinet before, or end in the next one. */
const CONTINUED_FROM = 0xfffd;

/** Lists a cabinet's CFFILE table (MS-CAB 2). */
export function* readCab(list: EntryList): PushReader {
  const header = yield* take(HEADER_BYTES);
  if (!header.isWhole) return list.note("truncated");
  const filesAt = header.octets.readUInt32LE(16);
  const files = header.octets.readUInt16LE(28);
  if (filesAt < HEADER_BYTES) return list.note("malformed");
  if (!(yield* skip(filesAt - HEADER_BYTES))) return list.note("truncated");
  for (let i = 0; i < files; i++) {
    const file = yield* take(FILE_BYTES);
    if (!file.isWhole) return list.note("truncated");
    const bytes = file.octets.readUInt32LE(0);
    if (file.octets.readUInt16LE(8) >= CONTINUED_FROM) list.note("truncated");
    const name = yield* takeUntilNul(NAME_BYTES_MAX);
    if (!name) return list.note("malformed");
    const rawNames = [decodeName(name)];
    if (!list.add({ rawNames, isFolder: false, isEncrypted: false, bytes })) return;
  }
}
