import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createSystemClock, pause } from "../base/clock.ts";
import { connectTcp, type TcpTarget } from "../net/tcp.ts";
import {
  privateClamdConfig,
  privateClamdSignatures,
} from "../stages/antivirus/private-clamd-config.ts";

/** The scanner of the demo: one that runs here already, one of our own, or none. */
export type DemoClamd =
  | { readonly kind: "running" | "private"; readonly addresses: readonly string[] }
  | { readonly kind: "none"; readonly addresses: null };

const USUAL_ADDRESSES: ReadonlyMap<string, TcpTarget> = new Map<string, TcpTarget>([
  ["unix:/run/clamav/clamd.ctl", { path: "/run/clamav/clamd.ctl" }],
  ["127.0.0.1:3310", { host: "127.0.0.1", port: 3310 }],
]);
const BINARIES = ["/usr/sbin/clamd", "/usr/bin/clamd", "/usr/local/sbin/clamd"];
const CONNECT_MS = 500;
const START_MS = 20_000;
const ASK_EVERY_MS = 50;

export async function openDemoClamd(
  stack: AsyncDisposableStack,
  folder: string,
): Promise<DemoClamd> {
  for (const [address, target] of USUAL_ADDRESSES)
    if (await answers(target)) return { kind: "running", addresses: [address] };
  const binary = BINARIES.find((path) => existsSync(path));
  if (!binary) return { kind: "none", addresses: null };
  return { kind: "private", addresses: [await startPrivate(stack, binary, folder)] };
}

async function startPrivate(
  stack: AsyncDisposableStack,
  binary: string,
  demoFolder: string,
): Promise<string> {
  const folder = join(demoFolder, "clamd");
  const socket = join(folder, "clamd.sock");
  const config = join(folder, "clamd.conf");
  await mkdir(join(folder, "db"), { recursive: true });
  await mkdir(join(folder, "tmp"));
  await writeFile(join(folder, "db", "local.ndb"), privateClamdSignatures());
  await writeFile(config, privateClamdConfig({ folder, socket }));
  const clamd = spawn(binary, ["--config-file", config], { stdio: "ignore" });
  const ended = once(clamd, "exit");
  stack.defer(async () => {
    clamd.kill("SIGKILL");
    await ended;
  });
  const clock = createSystemClock();
  const giveUpAt = clock.monotonic() + START_MS;
  while (!(await answers({ path: socket }))) {
    if (clamd.exitCode !== null || clock.monotonic() > giveUpAt)
      throw new Error(`${binary} does not start`);
    await pause(clock, ASK_EVERY_MS);
  }
  return `unix:${socket}`;
}

async function answers(target: TcpTarget): Promise<boolean> {
  try {
    const socket = await connectTcp(target, { signal: AbortSignal.timeout(CONNECT_MS) });
    socket.destroy();
    return true;
  } catch {
    return false;
  }
}
