import { appendFileSync } from "node:fs";
import { cp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { createLog, type Log } from "../base/log.ts";
import { DEMO_DOMAIN, DEMO_PEOPLE, DEMO_ZONE } from "./demo-messages.ts";

const SHIPPED_POLICIES: string = join(import.meta.dirname, "../../policies");

export interface DemoParts {
  readonly hubPort: number;
  readonly dnsServer: string;
  readonly clamd: readonly string[] | null;
}

/**
 * Settings, and the shipped policies with the few files that name the world around them replaced.
 * Returns the settings file.
 */
export async function writeDemoFiles(folder: string, parts: DemoParts): Promise<string> {
  const policies = join(folder, "policies");
  await cp(SHIPPED_POLICIES, policies, { recursive: true });
  const write = (name: string, value: unknown) => writeFile(join(policies, name), stringify(value));
  await write("domains.yaml", {
    domains: { [DEMO_DOMAIN]: { recipients: { list: DEMO_PEOPLE } } },
  });
  const smarthosts = [`127.0.0.1:${parts.hubPort}`];
  await write("routing.yaml", { connectors: { hub: { domains: [DEMO_DOMAIN], smarthosts } } });
  // The listed client would wait for its greeting, and who looks on with it.
  await write("connection.yaml", { pregreet: { from: null } });
  await write("dnsbl.yaml", { lists: [{ zone: DEMO_ZONE, score: 6 }], rejectAt: 6 });
  const settingsFile = join(folder, "postern.yaml");
  await writeFile(
    settingsFile,
    stringify({
      hostname: "mx1.example.org",
      listeners: [{ name: "internet", listen: "127.0.0.1:0" }],
      dns: { servers: [parts.dnsServer] },
      clamd: parts.clamd ?? "none",
    }),
  );
  return settingsFile;
}

/** The log of the demo goes to a file: the terminal is for the table. */
export function createDemoLog(folder: string): Log {
  const file = join(folder, "postern.log");
  return createLog({ level: "info", format: "json", write: (line) => appendFileSync(file, line) });
}
