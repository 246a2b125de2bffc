import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findFreeTcpPort } from "./free-port.ts";
import { findProgram } from "./programs.ts";
import { spawnTied, type TiedProcess } from "./tied-process.ts";
import { waitUntil } from "./wait-until.ts";

/** A port that was free a moment ago may be taken: then the next one. */
const PORT_TRIES = 5;

export interface Haproxy extends AsyncDisposable {
  /** Where it listens, by the version of the PROXY header that it sends on. */
  readonly ports: { readonly v1: number; readonly v2: number };
  /** What the last health check of that server found, such as `L7OK`. */
  lastCheck(version: "v1" | "v2"): Promise<string>;
}

/** For `test(title, { skip: noHaproxy() }, ...)`. */
export const noHaproxy = (): string | false => findProgram("haproxy").skip;

/** A real haproxy in front of one SMTP port, which it also checks for its health. */
export async function startHaproxy(smtpPort: number): Promise<Haproxy> {
  const folder = await mkdtemp(join(tmpdir(), "haproxy-"));
  const { server, ports } = await startOnFreePorts(folder, smtpPort);
  return {
    ports,
    async lastCheck(version) {
      const rows = (await ask(folder, "show stat")).trim().split("\n");
      const columns = rows[0]?.replace(/^# /, "").split(",") ?? [];
      const row = rows.find((text) => text.startsWith(`${version},edge,`));
      return row?.split(",")[columns.indexOf("check_status")] ?? "";
    },
    async [Symbol.asyncDispose]() {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function startOnFreePorts(folder: string, smtpPort: number) {
  for (let attempt = 1; ; attempt++) {
    const ports = { v1: await findFreeTcpPort(), v2: await findFreeTcpPort() };
    const file = join(folder, "haproxy.cfg");
    await writeFile(file, configuration(folder, smtpPort, ports));
    const server = spawnTied(findProgram("haproxy").path, ["-db", "-f", file]);
    if (await hasStarted(server, folder)) return { server, ports };
    if (attempt === PORT_TRIES) throw new Error(`haproxy ended: ${server.output()}`);
  }
}

/** False when it ended by itself, as when a port was taken. */
function hasStarted(server: TiedProcess, folder: string): Promise<boolean> {
  return waitUntil(
    () => `haproxy does not answer: ${server.output()}`,
    async () => {
      if (server.hasEnded()) return false;
      const answer = await ask(folder, "show info").catch(() => "");
      return answer.startsWith("Name: HAProxy") || undefined;
    },
  );
}

async function ask(folder: string, command: string): Promise<string> {
  const socket = connect({ path: join(folder, "control.sock") });
  await once(socket, "connect");
  socket.write(`${command}\n`);
  return (await socket.setEncoding("utf8").toArray()).join("");
}

function configuration(folder: string, smtpPort: number, ports: Haproxy["ports"]): string {
  const server = `server edge 127.0.0.1:${smtpPort} check check-send-proxy`;
  return `
global
  maxconn 200
  stats socket ${join(folder, "control.sock")}
defaults
  mode tcp
  timeout connect 10s
  timeout client 60s
  timeout server 60s
  timeout check 10s
  option smtpchk HELO balancer.example.org
listen v1
  bind 127.0.0.1:${ports.v1}
  ${server} send-proxy
listen v2
  bind 127.0.0.1:${ports.v2}
  ${server} send-proxy-v2
`;
}
