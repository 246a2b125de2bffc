/**
 * What an archive says it holds: its first level, listed and never extracted. Plain JSON: it is
 * stored as evidence. Only limits and names; whether that is forbidden is policy.
 */
export interface ArchiveListing {
  readonly kind: ArchiveKind;
  readonly entries: readonly ArchiveEntry[];
  readonly notes: readonly ArchiveNote[];
}

export type ArchiveKind =
  | "zip"
  | "tar"
  | "gzip"
  | "7z"
  | "rar"
  | "cab"
  | "arj"
  | "ace"
  | "bzip2"
  | "xz"
  | OpaqueKind;

/** What common programs unpack or mount, and we cannot list: never a reason to call it harmless. */
export type OpaqueKind =
  | "alz"
  | "ar"
  | "binhex"
  | "compress"
  | "cpio"
  | "egg"
  | "lz4"
  | "lzh"
  | "lzip"
  | "lzma"
  | "qcow2"
  | "rpm"
  | "squashfs"
  | "stuffit"
  | "tnef"
  | "vdi"
  | "vmdk"
  | "xar"
  | "zoo"
  | "zstd";

export interface ArchiveEntry {
  /** Every name that some reader shows: central and local header, Unicode extra field; normalised. */
  readonly names: readonly string[];
  readonly isFolder: boolean;
  readonly isEncrypted: boolean;
  /** As declared; null when it does not say. */
  readonly bytes: number | null;
}

/** `limit-*` and everything from `malformed` on mean that the list may not be whole. */
export type ArchiveNote =
  | "name-mismatch"
  | "data-before"
  | "data-behind"
  | "path-traversal"
  | "encrypted-names"
  | "overlap"
  | "malformed"
  | "truncated"
  | "not-listable"
  | "limit-entries"
  | "limit-bytes"
  | "limit-ratio"
  | "limit-time";

/** behaviour.md section 5: archive files, expanded bytes, ratio, time. */
export const ARCHIVE_LIMITS = {
  entries: 1000,
  expandedBytes: 200 * 1024 * 1024,
  ratio: 100,
  milliseconds: 10_000,
} as const;

/** Takes the decoded octets of one part as they stream by. Exactly one of `end` and `abort`. */
export interface ArchiveLister {
  write(chunk: Buffer): Promise<void>;
  /** Null: no archive. Never rejects for what the octets say; Unavailable when the disk fails. */
  end(): Promise<ArchiveListing | null>;
  abort(): Promise<void>;
}
