import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { answersDns } from "./answers-dns.ts";
import { findFreeUdpPort } from "./free-port.ts";
import { findProgram } from "./programs.ts";
import { spawnTied, type TiedProcess } from "./tied-process.ts";
import { waitUntil } from "./wait-until.ts";

/** A port that was free a moment ago may be taken: then the next one. */
const PORT_TRIES = 5;

export interface RbldnsdZone {
  readonly dataset: "ip4set" | "ip6trie" | "dnset" | "generic";
  /** Lines in rbldnsd's own form, such as `127.0.0.66` and `:127.0.0.2:Listed, see …/$`. */
  readonly data: string;
}

export interface RbldnsdServer {
  /** `127.0.0.1:port`, UDP only. */
  readonly address: string;
  /** SIGSTOP: queries get no answer. */
  pause(): void;
  resume(): void;
  /** Other data for a zone; it is read when a moment has passed. */
  rewrite(name: string, zone: RbldnsdZone): Promise<void>;
  stop(): Promise<void>;
}

/** For `test(title, { skip: noRbldnsd() }, ...)`. */
export const noRbldnsd = (): string | false => findProgram("rbldnsd").skip;

/** A real rbldnsd for these zones; resolves once it answers. */
export async function startRbldnsd(
  zones: Readonly<Record<string, RbldnsdZone>>,
): Promise<RbldnsdServer> {
  const folder = await mkdtemp(join(tmpdir(), "rbldnsd-"));
  await chmod(folder, 0o755);
  const args = await writeZones(folder, zones);
  const { server, port } = await startOnFreePort(folder, args, Object.keys(zones)[0] ?? ".");
  return {
    address: `127.0.0.1:${port}`,
    pause: () => server.signal("SIGSTOP"),
    resume: () => server.signal("SIGCONT"),
    async rewrite(name, zone) {
      await writeZones(folder, { [name]: zone });
      server.signal("SIGHUP");
    },
    async stop() {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function writeZones(
  folder: string,
  zones: Readonly<Record<string, RbldnsdZone>>,
): Promise<readonly string[]> {
  const args: string[] = [];
  for (const [zone, { dataset, data }] of Object.entries(zones)) {
    await writeFile(
      join(folder, zone),
      `$SOA 60 ${zone} hostmaster.${zone} 0 60 60 60 60\n${data}\n`,
    );
    args.push(`${zone}:${dataset}:${zone}`);
  }
  return args;
}

async function startOnFreePort(
  folder: string,
  zones: readonly string[],
  probe: string,
): Promise<{ server: TiedProcess; port: number }> {
  for (let attempt = 1; ; attempt++) {
    const port = await findFreeUdpPort();
    const server = spawnTied(findProgram("rbldnsd").path, [
      "-n",
      ...["-b", `127.0.0.1/${port}`],
      ...["-w", folder],
      ...["-u", "nobody"],
      ...zones,
    ]);
    const ready = await waitUntil(
      () => `rbldnsd does not answer: ${server.output()}`,
      async () => (server.hasEnded() ? "ended" : (await answersDns(port, probe)) || undefined),
    );
    if (ready !== "ended") return { server, port };
    if (attempt === PORT_TRIES) throw new Error(`rbldnsd ended: ${server.output()}`);
  }
}
