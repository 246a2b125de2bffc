import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

/** Folders that a mail server believes to be its own: queue, sockets, empty root. */
const FOLDERS = { spool: "/var/spool", run: "/run", lib: "/var/lib" } as const;
const FILES = ["passwd", "group", "resolv.conf", "ld.so.cache"] as const;
/** Its parent's mounts stay as they are. */
const MOUNT_AND_RUN =
  'mount --make-rprivate / && for pair in $1; do mount --bind "$' +
  '{pair%:*}" "$' +
  '{pair#*:}" || exit 1; done; shift; exec "$@"';

export interface Account {
  readonly name: string;
  readonly id: number;
}

/**
 * The machine as a mail server sees it that insists on accounts and on places under /var: the accounts
 * exist and the places are in `folder`, for it and its children only (mount_namespaces(7)). Needs root.
 */
export interface PrivateRoot {
  /** The command and arguments to start, with the true command and arguments in them. */
  wrap(command: string, args: readonly string[]): readonly [string, ...string[]];
}

export async function makePrivateRoot(
  folder: string,
  accounts: readonly Account[],
  libraryPath: string,
): Promise<PrivateRoot> {
  for (const name of Object.keys(FOLDERS)) await mkdir(join(folder, name), { mode: 0o755 });
  const passwd = accounts.map(({ name, id }) => `${name}:x:${id}:${id}::/nonexistent:/bin/false\n`);
  const group = accounts.map(({ name, id }) => `${name}:x:${id}:\n`);
  await writeFile(join(folder, "passwd"), (await readFile("/etc/passwd")) + passwd.join(""));
  await writeFile(join(folder, "group"), (await readFile("/etc/group")) + group.join(""));
  // A program that is setuid ignores LD_LIBRARY_PATH (ld.so(8)), but not the cache.
  const conf = join(folder, "ld.so.conf");
  await writeFile(conf, `include /etc/ld.so.conf\n${libraryPath.replaceAll(":", "\n")}\n`);
  await promisify(execFile)("/sbin/ldconfig", [
    "-X",
    "-C",
    join(folder, "ld.so.cache"),
    "-f",
    conf,
  ]);
  // Nobody answers there: nothing it looks up leaves this machine.
  await writeFile(join(folder, "resolv.conf"), "nameserver 127.0.0.1\n");
  const pairs = [
    ...FILES.map((name) => `${join(folder, name)}:/etc/${name}`),
    ...Object.entries(FOLDERS).map(([name, target]) => `${join(folder, name)}:${target}`),
  ].join(" ");
  return {
    wrap: (command, args) => [
      "unshare",
      ...["--mount", "sh", "-c", MOUNT_AND_RUN, "sh", pairs, command, ...args],
    ],
  };
}
