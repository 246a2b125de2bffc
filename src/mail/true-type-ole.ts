/** MS-CFB 2.2: fields of the header. */
const HEADER_BYTES = 512;
const SECTOR_SHIFT_AT = 30;
const DIRECTORY_SECTOR_AT = 48;
/** MS-CFB 2.6.1: the class of the root entry, which is the first of the directory. */
const CLASS_AT = 80;
const CLASS_BYTES = 16;
const MARK = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";

/** Packages, patches, transforms: {000C1084/86/82-0000-0000-C000-000000000046}. */
const INSTALLER = /^[\x82\x84\x86]\x10\x0c\0\0\0\0\0\xc0\0\0\0\0\0\0\x46$/;

/**
 * Tells a Windows installer package from other OLE2 files: its class stands in the directory, which
 * may be anywhere in the file. The header says where, so it is caught as it streams by.
 */
export interface InstallerWatch {
  /** `at`: the place of the chunk in the part. */
  write(chunk: Buffer, at: number): void;
  isInstaller(): boolean;
}

/** Null where `head` (512 octets or more) is no OLE2 header. */
export function createInstallerWatch(head: Buffer): InstallerWatch | null {
  if (head.length < HEADER_BYTES || head.toString("latin1", 0, 8) !== MARK) return null;
  // Sectors are of 512 or 4096 octets; the shift is 16 bits wide, so mind the wild ones.
  const sectorBytes = 2 ** (head.readUInt16LE(SECTOR_SHIFT_AT) % 32);
  const classAt = (head.readUInt32LE(DIRECTORY_SECTOR_AT) + 1) * sectorBytes + CLASS_AT;
  const found = Buffer.alloc(CLASS_BYTES);
  return {
    write(chunk, at) {
      const from = Math.max(classAt, at);
      const to = Math.min(classAt + CLASS_BYTES, at + chunk.length);
      if (from < to) chunk.copy(found, from - classAt, from - at, to - at);
    },
    isInstaller: () => INSTALLER.test(found.toString("latin1")),
  };
}

/** MS-OFFCRYPTO 2.3.4.4: the stream that an encrypted OOXML document is in. */
const SEALED_STREAM = Buffer.from("EncryptedPackage\0", "utf16le");

/** Tells an Office document with a password, whose directory may be anywhere in the file. */
export interface SealWatch {
  write(chunk: Buffer): void;
  isSealed(): boolean;
}

export function createSealWatch(): SealWatch {
  const seam = SEALED_STREAM.length - 1;
  let tail: Buffer = Buffer.alloc(0);
  let isSealed = false;
  return {
    write(chunk) {
      if (isSealed) return;
      const across = Buffer.concat([tail, chunk.subarray(0, seam)]);
      isSealed = across.includes(SEALED_STREAM) || chunk.includes(SEALED_STREAM);
      tail = Buffer.concat([tail, chunk.subarray(-seam)]).subarray(-seam);
    },
    isSealed: () => isSealed,
  };
}
