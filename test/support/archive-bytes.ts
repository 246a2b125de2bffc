import { crc32 } from "node:zlib";

/** What to write in a zip's headers; `central*` makes the directory say something else. */
export interface ZipMember {
  readonly name: string;
  readonly data?: Buffer;
  readonly centralName?: string;
  readonly unicodeName?: string;
  readonly isEncrypted?: boolean;
}

const u16 = (value: number) => Buffer.from([value & 255, value >> 8]);
const u32 = (value: number) => {
  const octets = Buffer.alloc(4);
  octets.writeUInt32LE(value);
  return octets;
};
const latin1 = (text: string) => Buffer.from(text, "latin1");

/** A zip of stored members (APPNOTE.TXT). */
export function zipOf(members: readonly ZipMember[], comment = ""): Buffer {
  const locals: Buffer[] = [];
  const centrals: Buffer[] = [];
  let at = 0;
  for (const member of members) {
    const local = localOf(member);
    locals.push(local);
    centrals.push(centralOf(member, at));
    at += local.length;
  }
  const directory = Buffer.concat(centrals);
  const count = u16(members.length);
  const end = [latin1("PK\x05\x06\0\0\0\0"), count, count, u32(directory.length), u32(at)];
  return Buffer.concat([...locals, directory, ...end, u16(comment.length), latin1(comment)]);
}

function localOf(member: ZipMember): Buffer {
  const name = Buffer.from(member.name);
  const data = member.data ?? Buffer.alloc(0);
  const extra = extraOf(member);
  return Buffer.concat([
    ...[latin1("PK\x03\x04\x14\0"), ...fieldsOf(member, data)],
    ...[u16(name.length), u16(extra.length), name, extra, data],
  ]);
}

function centralOf(member: ZipMember, localAt: number): Buffer {
  const name = Buffer.from(member.centralName ?? member.name);
  const extra = extraOf(member);
  return Buffer.concat([
    ...[latin1("PK\x01\x02\x14\0\x14\0"), ...fieldsOf(member, member.data ?? Buffer.alloc(0))],
    ...[u16(name.length), u16(extra.length), u16(0), u16(0), u16(0), u32(0), u32(localAt)],
    ...[name, extra],
  ]);
}

function fieldsOf(member: ZipMember, data: Buffer): readonly Buffer[] {
  const flags = u16(member.isEncrypted ? 0x0801 : 0x0800);
  return [flags, u16(0), u32(0), u32(crc32(data)), u32(data.length), u32(data.length)];
}

function extraOf({ unicodeName }: ZipMember): Buffer {
  if (unicodeName === undefined) return Buffer.alloc(0);
  const name = Buffer.from(unicodeName);
  return Buffer.concat([u16(0x7075), u16(name.length + 5), Buffer.alloc(5), name]);
}

/** One tar header with its data (POSIX ustar). */
export function tarMember(name: string, data = Buffer.alloc(0), type = "0"): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0, 100);
  header.write("0000644\0", 100);
  header.write(`${data.length.toString(8).padStart(11, "0")}\0`, 124);
  header.write(type, 156);
  header.write("ustar\x0000", 257, "latin1");
  header.fill(" ", 148, 156);
  const sum = header.reduce((total, octet) => total + octet, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return Buffer.concat([header, data, Buffer.alloc((512 - (data.length % 512)) % 512)]);
}

export function tarOf(...members: readonly Buffer[]): Buffer {
  return Buffer.concat([...members, Buffer.alloc(1024)]);
}

export interface RarMember {
  readonly name: string;
  readonly data: Buffer;
  readonly isEncrypted?: boolean;
}

/** A RAR 4 archive of stored files, with an encrypted header if asked. */
export function rar4Of(members: readonly RarMember[], hasEncryptedNames = false): Buffer {
  const main = rar4Block(0x73, hasEncryptedNames ? 0x80 : 0, Buffer.alloc(6));
  const files = members.map(({ name, data, isEncrypted }) => {
    const sizes = [u32(data.length), u32(data.length)];
    const rest = [Buffer.alloc(9), Buffer.from([29, 0x30]), u16(name.length), u32(32)];
    const flags = 0x8000 | (isEncrypted ? 4 : 0);
    const header = rar4Block(0x74, flags, Buffer.concat([...sizes, ...rest, latin1(name)]));
    return Buffer.concat([header, data]);
  });
  const end = rar4Block(0x7b, 0, Buffer.alloc(0));
  return Buffer.concat([latin1("Rar!\x1a\x07\0"), main, ...files, end]);
}

function rar4Block(type: number, flags: number, rest: Buffer): Buffer {
  return Buffer.concat([u16(0), Buffer.from([type]), u16(flags), u16(7 + rest.length), rest]);
}

/** A RAR 5 archive of stored files. */
export function rar5Of(members: readonly RarMember[]): Buffer {
  const main = rar5Block([1, 0, 0]);
  const files = members.map(({ name, data, isEncrypted }) => {
    const extra = isEncrypted ? [2, 1, 0] : [];
    const flags = isEncrypted ? 3 : 2;
    const sizes = isEncrypted ? [extra.length, data.length] : [data.length];
    const file = [0, data.length, 32, 0, 1, name.length, ...latin1(name)];
    return Buffer.concat([rar5Block([2, flags, ...sizes, ...file, ...extra]), data]);
  });
  return Buffer.concat([latin1("Rar!\x1a\x07\x01\0"), main, ...files, rar5Block([5, 0, 0])]);
}

function rar5Block(octets: readonly number[]): Buffer {
  const header = Buffer.from([octets.length, ...octets]);
  return Buffer.concat([u32(crc32(header)), header]);
}

/** The tables of a cabinet (MS-CAB), with one empty folder. */
export function cabOf(names: readonly string[]): Buffer {
  const files = names.map((name) =>
    Buffer.concat([u32(3), u32(0), u16(0), u16(0), u16(0), u16(0x20), latin1(`${name}\0`)]),
  );
  const head = [latin1("MSCF\0\0\0\0"), u32(0), u32(0), u32(44), u32(0), Buffer.from([3, 1])];
  return Buffer.concat([
    ...head,
    u16(1),
    u16(names.length),
    u16(0),
    u32(0),
    Buffer.alloc(8),
    ...files,
  ]);
}

/** An ARJ of stored files. */
export function arjOf(members: readonly RarMember[]): Buffer {
  const files = members.map((member) =>
    Buffer.concat([arjHeader(member.name, 0, member), member.data]),
  );
  return Buffer.concat([arjHeader("a.arj", 2, null), ...files, latin1("\x60\xea\0\0")]);
}

function arjHeader(name: string, type: number, member: RarMember | null): Buffer {
  const bytes = u32(member?.data.length ?? 0);
  const first = [30, 11, 1, 0, member?.isEncrypted ? 1 : 0, 0, type, 0, 0, 0, 0, 0];
  const rest = [bytes, bytes, Buffer.alloc(10), latin1(`${name}\0\0`)];
  const header = Buffer.concat([Buffer.from(first), ...rest]);
  return Buffer.concat([
    latin1("\x60\xea"),
    u16(header.length),
    header,
    u32(crc32(header)),
    u16(0),
  ]);
}
