import type { OpaqueKind } from "./archive.ts";

/** Octets as Latin-1, from the first on. */
const STARTS: readonly (readonly [OpaqueKind, RegExp])[] = [
  ["alz", /^ALZ\x01/],
  ["ar", /^!<arch>\n/],
  ["binhex", /^\s{0,8}\(This file must be converted with BinHex/],
  ["compress", /^\x1f[\x9d\xa0]/],
  ["cpio", /^(?:07070[127][0-9a-f]{20}|\xc7\x71|\x71\xc7)/i],
  ["egg", /^EGGA\0\x01/],
  ["lz4", /^(?:\x04\x22|\x02\x21)\x4d\x18/],
  ["lzh", /^..-(?:lh[0-9a-z]|lz[2-8s]|pm[0-2s])-/s],
  ["lzip", /^LZIP[\0\x01]/],
  // No magic: properties, a dictionary of at least 64 KiB, and a size that is unknown or below 1 TiB.
  ["lzma", /^\x5d\0\0..(?:\xff{8}|.{5}\0{3})/s],
  ["qcow2", /^QFI\xfb/],
  ["rpm", /^\xed\xab\xee\xdb/],
  ["squashfs", /^(?:hsqs|sqsh)/],
  ["stuffit", /^(?:StuffIt \(c\)|SIT!.{6}rLau)/s],
  ["tnef", /^\x78\x9f\x3e\x22/],
  ["vdi", /^.{64}\x7f\x10\xda\xbe/s],
  ["vmdk", /^(?:KDMV|COWD)[\x01-\x04]\0|^# Disk DescriptorFile/],
  ["xar", /^xar!\0/],
  ["zoo", /^.{20}\xdc\xa7\xc4\xfd/s],
  // RFC 8878 3.1: skippable frames may stand before the first.
  ["zstd", /^(?:\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18)/],
];

const LONGEST = 72;

/** Tells a container that we know and cannot list by its first octets. */
export function opaqueKindOf(head: Buffer): OpaqueKind | null {
  const text = head.toString("latin1", 0, LONGEST);
  return STARTS.find(([, pattern]) => pattern.test(text))?.[0] ?? null;
}
