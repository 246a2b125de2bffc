import { accessSync, constants, readdirSync, readFileSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";

/** One row of programs.tsv. */
export interface KnownProgram {
  readonly program: string;
  readonly package: string;
  readonly how: "install" | "unpack";
  /** Folders of test/ whose tests need it. */
  readonly neededBy: readonly string[];
}

export interface FoundProgram {
  /** Where it is; when it is not there, the bare name, which fails to start. */
  readonly path: string;
  /** What an unpacked program needs to find its own libraries; to be merged over process.env. */
  readonly env: Readonly<Record<string, string>>;
  /** For `test(title, { skip }, ...)`. */
  readonly skip: string | false;
}

const repository = resolve(import.meta.dirname, "../..");
/** Servers live here, and an ordinary user's PATH lacks them. */
const SYSTEM_FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin"];
const PEER_BIN_FOLDERS = ["usr/sbin", "usr/bin"];

export function readKnownPrograms(
  file = join(import.meta.dirname, "programs.tsv"),
): readonly KnownProgram[] {
  const rows = readFileSync(file, "utf8").split("\n");
  return rows.filter((row) => row !== "" && !row.startsWith("#")).map(toKnownProgram);
}

/**
 * A program of programs.tsv, from the PATH, the system's folders or the unpacked mail servers.
 * When it is missing the reason to skip is also written to stderr, so that nobody believes that
 * the tests ran.
 */
export function findProgram(name: string): FoundProgram {
  const known = readKnownPrograms().find((row) => row.program === name);
  if (!known) throw new Error(`${name} is not in test/support/programs.tsv`);
  const found = known.how === "unpack" ? findPeer(known) : findInstalled(name);
  if (found) return found;
  const skip = `SKIPPED: ${name} (Debian package ${known.package}) is missing; bin/test sets it up`;
  process.stderr.write(`\n*** ${skip} ***\n`);
  return { path: name, env: {}, skip };
}

/** The root of an unpacked mail server. */
export function peerFolder(packageName: string): string {
  return join(repository, ".cache/peers", packageName);
}

function toKnownProgram(row: string): KnownProgram {
  const [program, packageName, how, neededBy] = row.split("\t");
  if (!program || !packageName || !neededBy || (how !== "install" && how !== "unpack")) {
    throw new Error(`programs.tsv: expected four columns, got ${JSON.stringify(row)}`);
  }
  return { program, package: packageName, how, neededBy: neededBy.split(",") };
}

function findInstalled(name: string): FoundProgram | undefined {
  const folders = [...(process.env.PATH ?? "").split(delimiter), ...SYSTEM_FOLDERS];
  const path = folders.map((folder) => join(folder, name)).find(isExecutable);
  return path === undefined ? undefined : { path, env: {}, skip: false };
}

function findPeer(known: KnownProgram): FoundProgram | undefined {
  const root = peerFolder(known.package);
  const path = PEER_BIN_FOLDERS.map((folder) => join(root, folder, known.program)).find(
    isExecutable,
  );
  if (path === undefined) return undefined;
  return { path, env: { LD_LIBRARY_PATH: libraryFolders(root).join(":") }, skip: false };
}

/** Private libraries (usr/lib/postfix) and dependencies unpacked beside (usr/lib/<machine>). */
function libraryFolders(root: string): readonly string[] {
  return ["lib", "usr/lib"].flatMap((folder) => {
    const parent = join(root, folder);
    return [parent, ...subfolders(parent)];
  });
}

function subfolders(parent: string): readonly string[] {
  try {
    const entries = readdirSync(parent, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map((entry) => join(parent, entry.name));
  } catch {
    return [];
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
