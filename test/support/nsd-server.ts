import { existsSync, readFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { answersDns } from "./answers-dns.ts";
import { findFreeUdpPort } from "./free-port.ts";
import { findProgram } from "./programs.ts";
import { spawnTied, type TiedProcess } from "./tied-process.ts";
import { waitUntil } from "./wait-until.ts";

/** A port that was free a moment ago may be taken: then the next one. */
const PORT_TRIES = 5;

/** Records in the form of zone files, by zone: `{ test: "mx1 A 127.0.0.2\n@ MX 10 mx1" }`. */
export type NsdZones = Readonly<Record<string, string>>;

export interface NsdServer {
  /** `127.0.0.1:port`, UDP and TCP: for `dns.servers` of the settings. */
  readonly address: string;
  /** SIGSTOP: queries get no answer. */
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
}

/** For `test(title, { skip: noNsd() }, ...)`. */
export const noNsd = (): string | false => findProgram("nsd").skip;

/**
 * A real NSD that is the authority for these zones and knows nothing else: names outside are
 * REFUSED, which is a temporary answer. Each zone gets its SOA and NS. Resolves once it answers.
 */
export async function startNsd(
  zones: NsdZones,
  /** Makes the file that is served of the zone file that was written: signs it. */
  finish: (zone: string, file: string, folder: string) => Promise<void> = async () => {},
): Promise<NsdServer> {
  const folder = await mkdtemp(join(tmpdir(), "nsd-"));
  await chmod(folder, 0o755);
  await mkdir(join(folder, "xfr"));
  for (const [zone, records] of Object.entries(zones)) {
    const file = join(folder, `${zone}.zone`);
    await writeFile(file, toZoneFile(zone, records));
    await finish(zone, file, folder);
  }
  const { server, port } = await startOnFreePort(folder, Object.keys(zones));
  return {
    address: `127.0.0.1:${port}`,
    pause: () => signalAll(server.pid, "SIGSTOP"),
    resume: () => signalAll(server.pid, "SIGCONT"),
    async stop() {
      signalAll(server.pid, "SIGCONT");
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** NSD answers in a child of the process that was started; what is no NSD is left alone. */
function signalAll(pid: number, signal: NodeJS.Signals): void {
  const folder = `/proc/${pid}`;
  if (!existsSync(folder) || !readFileSync(`${folder}/comm`, "utf8").startsWith("nsd")) return;
  const children = readFileSync(`${folder}/task/${pid}/children`, "utf8");
  process.kill(pid, signal);
  for (const child of children.split(" ").filter(Boolean)) signalAll(Number(child), signal);
}

function toZoneFile(zone: string, records: string): string {
  return `$ORIGIN ${zone}.
$TTL 60
@ SOA ns.${zone}. hostmaster.${zone}. 1 3600 600 86400 60
@ NS ns.${zone}.
ns A 127.0.0.1
${records}
`;
}

function toConfig(folder: string, port: number, zones: readonly string[]): string {
  const file = (name: string) => JSON.stringify(join(folder, name));
  return `server:
  ip-address: 127.0.0.1@${port}
  port: ${port}
  server-count: 1
  username: ""
  chroot: ""
  database: ""
  pidfile: ""
  zonesdir: ${JSON.stringify(folder)}
  xfrdfile: ${file("xfrd.state")}
  xfrdir: ${file("xfr")}
  zonelistfile: ${file("zone.list")}
remote-control:
  control-enable: no
${zones.map((zone) => `zone:\n  name: ${zone}\n  zonefile: ${zone}.zone\n`).join("")}`;
}

async function startOnFreePort(
  folder: string,
  zones: readonly string[],
): Promise<{ server: TiedProcess; port: number }> {
  const config = join(folder, "nsd.conf");
  for (let attempt = 1; ; attempt++) {
    const port = await findFreeUdpPort();
    await writeFile(config, toConfig(folder, port, zones));
    const server = spawnTied(findProgram("nsd").path, ["-d", "-c", config]);
    const ready = await waitUntil(
      () => `NSD does not answer: ${server.output()}`,
      async () =>
        server.hasEnded() ? "ended" : (await answersDns(port, zones[0] ?? ".")) || undefined,
    ).catch(async (error: unknown) => {
      await server.stop();
      throw error;
    });
    if (ready !== "ended") return { server, port };
    if (attempt === PORT_TRIES) throw new Error(`NSD ended: ${server.output()}`);
  }
}
