import { chmod, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const repository = resolve(import.meta.dirname, "../..");
/** What /bin/sh and the scripts of bin/ call, without a host's npm or node. */
const TOOLS = (
  "cat cksum chmod cp cut dirname env find grep kill ln ls mkdir readlink rm rmdir sh sha256sum " +
  "shasum sleep touch"
).split(" ");

/** Installs a node that is ours, and counts its calls. Slow enough for others to arrive. */
const FAKE_NPM = `#!/bin/sh
echo "$@" >>"$NPM_CALLS"
echo "npm said this"
[ -z "\${NPM_FAILS:-}" ] || { echo "npm cannot" >&2; exit 1; }
sleep 0.3
mkdir -p node_modules/.bin
ln -sf "$REAL_NODE" node_modules/.bin/node
`;

export interface FakeClone {
  readonly folder: string;
  /** A PATH of basic tools and the fake npm only. */
  readonly env: Readonly<Record<string, string>>;
  npmCalls(): Promise<readonly string[]>;
  remove(): Promise<void>;
}

/** A clone of bin/ whose main.ts prints its arguments, and where npm installs by a wink. */
export async function makeCloneWithFakeNpm(): Promise<FakeClone> {
  const folder = await mkdtemp(join(tmpdir(), "clone-"));
  const tools = join(folder, "tools");
  const calls = join(folder, "npm-calls");
  await cp(join(repository, "bin"), join(folder, "bin"), { recursive: true });
  await mkdir(join(folder, "src"));
  await mkdir(tools);
  await writeFile(
    join(folder, "src/main.ts"),
    "const [, , ...args]: string[] = process.argv;\nconsole.log(args.join('|'));\nprocess.exitCode = args.length;\n",
  );
  await writeFile(join(folder, "package-lock.json"), "{}");
  await writeFile(calls, "");
  await writeFile(join(tools, "npm"), FAKE_NPM);
  await chmod(join(tools, "npm"), 0o755);
  for (const tool of TOOLS) await linkTool(tool, tools);
  return {
    folder,
    env: { PATH: tools, NPM_CALLS: calls, REAL_NODE: process.execPath },
    npmCalls: async () => (await readFile(calls, "utf8")).split("\n").filter((line) => line !== ""),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

async function linkTool(tool: string, into: string): Promise<void> {
  for (const folder of ["/usr/bin", "/bin"]) {
    const made = await symlink(join(folder, tool), join(into, tool)).then(
      () => true,
      () => false,
    );
    if (made) return;
  }
}
