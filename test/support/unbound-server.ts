import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { answersDns } from "./answers-dns.ts";
import { findFreeUdpPort } from "./free-port.ts";
import { findProgram } from "./programs.ts";
import { spawnTied, type TiedProcess } from "./tied-process.ts";
import { waitUntil } from "./wait-until.ts";

const PORT_TRIES = 5;
const MARKER = "all-told";

export interface UnboundOptions {
  /** Zones and the server that has them: `127.0.0.1:port`. */
  readonly zones: Readonly<Record<string, string>>;
  /** Keys of signed zones, as in a zone file; all other zones are not signed. */
  readonly anchors: readonly string[];
  /** Each query goes to the output. */
  readonly logsQueries?: boolean;
}

export interface UnboundServer {
  /** `127.0.0.1:port`: for `dns.servers` of the settings. */
  readonly address: string;
  /** With `logsQueries`: the questions that came, `www.example.test. A`, the last hundred or so. */
  queries(): Promise<readonly string[]>;
  stop(): Promise<void>;
}

/** For `test(title, { skip: noUnbound() }, ...)`. */
export const noUnbound = (): string | false => findProgram("unbound").skip;

/** A real Unbound that resolves these zones and validates what is signed. Resolves once it answers. */
export async function startUnbound(options: UnboundOptions): Promise<UnboundServer> {
  const folder = await mkdtemp(join(tmpdir(), "unbound-"));
  await chmod(folder, 0o755);
  await writeFile(join(folder, "anchors"), options.anchors.join("\n"));
  const { server, port } = await startOnFreePort(folder, options);
  let markers = 0;
  return {
    address: `127.0.0.1:${port}`,
    async queries() {
      // Once it has told of this one it has told of all before.
      markers += 1;
      const marker = `${MARKER}-${markers}.invalid`;
      await answersDns(port, marker);
      return waitUntil(
        () => `Unbound tells no query: ${server.output()}`,
        () => {
          const told = questionsIn(server.output());
          const isAll = told.includes(`${marker}. SOA`);
          return isAll ? told.filter((question) => !question.startsWith(MARKER)) : undefined;
        },
      );
    },
    async stop() {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function questionsIn(output: string): readonly string[] {
  const lines = output.matchAll(/info: 127\.0\.0\.1 (\S+ \S+) IN$/gm);
  return [...lines].map(([, question = ""]) => question);
}

function toConfig(folder: string, port: number, { zones, logsQueries }: UnboundOptions): string {
  const stubs = Object.entries(zones).map(
    ([zone, address]) =>
      `stub-zone:\n  name: "${zone}"\n  stub-addr: ${address.replace(":", "@")}\n`,
  );
  return `server:
  interface: 127.0.0.1@${port}
  port: ${port}
  access-control: 127.0.0.0/8 allow
  do-ip6: no
  do-daemonize: no
  do-not-query-localhost: no
  username: ""
  chroot: ""
  pidfile: ""
  directory: "${folder}"
  use-syslog: no
  log-queries: ${logsQueries === true ? "yes" : "no"}
  module-config: "validator iterator"
  trust-anchor-file: "anchors"
  local-zone: "test." nodefault
  local-zone: "127.in-addr.arpa." nodefault
  cache-max-negative-ttl: 0
remote-control:
  control-enable: no
${stubs.join("")}`;
}

async function startOnFreePort(
  folder: string,
  options: UnboundOptions,
): Promise<{ server: TiedProcess; port: number }> {
  const config = join(folder, "unbound.conf");
  const [zone = "."] = Object.keys(options.zones);
  for (let attempt = 1; ; attempt++) {
    const port = await findFreeUdpPort();
    await writeFile(config, toConfig(folder, port, options));
    const server = spawnTied(findProgram("unbound").path, ["-d", "-c", config]);
    const ready = await waitUntil(
      () => `Unbound does not answer: ${server.output()}`,
      async () => (server.hasEnded() ? "ended" : (await answersDns(port, zone)) || undefined),
    ).catch(async (error: unknown) => {
      await server.stop();
      throw error;
    });
    if (ready !== "ended") return { server, port };
    if (attempt === PORT_TRIES) throw new Error(`Unbound ended: ${server.output()}`);
  }
}
