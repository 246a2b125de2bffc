import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { createLog } from "../../src/base/log.ts";
import { type Gateway, startGateway } from "../../src/compose.ts";
import { loadSettings } from "../../src/settings.ts";
import { waitUntil } from "./wait-until.ts";

export interface TestGatewayOptions {
  readonly hubPort: number;
  /** Default: nobody answers there, and nothing is asked. */
  readonly dnsServer?: string;
  /** Default: `none`. */
  readonly clamd?: readonly string[];
  /** Policy files by name without .yaml, instead of the shipped ones. */
  readonly policies?: Readonly<Record<string, unknown>>;
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Keep what an earlier gateway left. */
  readonly folder?: string;
}

export interface TestGateway {
  readonly folder: string;
  readonly settingsFile: string;
  readonly port: number;
  readonly gateway: Gateway;
  /** Parsed log lines so far. */
  readonly log: readonly LogLine[];
  /** Waits for the first line of that event (and id). */
  waitForLog(event: string, matches?: (line: LogLine) => boolean): Promise<LogLine>;
  /** Ends it; the folder stays until `remove`. */
  stop(): Promise<void>;
  remove(): Promise<void>;
}

export type LogLine = Readonly<Record<string, unknown>> & { readonly event: string };

const SHIPPED = join(import.meta.dirname, "../../policies");

/** The lists of a policy that asks nobody, and keeps nobody waiting. */
export const TEST_POLICIES = {
  domains: {
    domains: { "example.org": { recipients: { list: ["alice@example.org", "bob@example.org"] } } },
  },
  dnsbl: { lists: [] },
  connection: { pregreet: { from: null } },
} as const;

/** The whole gateway in this process, on loopback, with the shipped policies but for `policies`. */
export async function startTestGateway(options: TestGatewayOptions): Promise<TestGateway> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), "postern-test-")));
  const settingsFile = await writeGatewayFiles(folder, options);
  const settings = await loadSettings({ file: settingsFile, env: {}, cwd: folder });
  const log: LogLine[] = [];
  const write = (line: string) => void log.push(JSON.parse(line) as LogLine);
  const gateway = await startGateway(settings, createLog({ ...settings.log, write }), write);
  const [listener] = gateway.listeners;
  let stopped: Promise<void> | null = null;
  const stop = () => {
    stopped ??= gateway.stop(2000);
    return stopped;
  };
  return {
    folder,
    settingsFile,
    port: listener!.port,
    gateway,
    log,
    waitForLog: (event, matches = () => true) =>
      waitUntil(
        () => `no log line ${event}; last: ${JSON.stringify(log.slice(-5))}`,
        () => log.find((line) => line.event === event && matches(line)),
      ),
    stop,
    async remove() {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Settings and policies for a gateway on loopback; returns the settings file. */
export async function writeGatewayFiles(
  folder: string,
  options: TestGatewayOptions,
): Promise<string> {
  const policies = join(folder, "policies");
  await cp(SHIPPED, policies, { recursive: true });
  const own = {
    ...TEST_POLICIES,
    routing: {
      connectors: {
        hub: { domains: ["example.org"], smarthosts: [`127.0.0.1:${options.hubPort}`] },
      },
    },
    ...options.policies,
  };
  for (const [name, value] of Object.entries(own))
    await writeFile(join(policies, `${name}.yaml`), stringify(value));
  const settingsFile = join(folder, "postern.yaml");
  const settings = {
    hostname: "mx.example.org",
    listeners: [{ name: "internet", listen: "127.0.0.1:0" }],
    dns: { servers: [options.dnsServer ?? "127.0.0.1:9"], timeoutMs: 200 },
    clamd: options.clamd ?? "none",
    ...options.settings,
  };
  await writeFile(settingsFile, stringify(settings));
  return settingsFile;
}
