import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errorText } from "../base/errors.ts";
import { type Gateway, startGateway } from "../compose.ts";
import { toMailDate } from "../mail/mail-date.ts";
import { loadSettings } from "../settings.ts";
import { type CliContext, EXIT } from "./cli-context.ts";
import { type DemoClamd, openDemoClamd } from "./demo-clamd.ts";
import { startDemoDns } from "./demo-dns.ts";
import { createDemoLog, writeDemoFiles } from "./demo-files.ts";
import { type DemoHub, startDemoHub } from "./demo-hub.ts";
import { DEMO_PEOPLE, demoSamples, demoZone } from "./demo-messages.ts";
import { type SentSample, sendSample } from "./demo-sender.ts";
import { renderTable } from "./table.ts";
import { toJsonLine } from "./visible-text.ts";

export interface DemoOptions {
  /** Exit after the table instead of staying up. */
  readonly once: boolean;
}

const DRAIN_MS = 5000;

/**
 * The whole gateway on loopback with a hub, a DNS server and samples of its own: it needs no network
 * and leaves nothing behind. Exit 0 when every sample ended as its title promises.
 */
export async function demoCommand(context: CliContext, { once }: DemoOptions): Promise<number> {
  try {
    await using stack = new AsyncDisposableStack();
    const world = await openWorld(stack);
    const sent = await sendSamples(world);
    if (context.json) for (const sample of sent) context.out(toJsonLine(sample));
    else describe(context, world, sent);
    if (once) return sent.every(({ asPromised }) => asPromised) ? EXIT.ok : EXIT.negative;
    explainHowToGoOn(context, world, sent);
    await untilInterrupted();
    return EXIT.ok;
  } catch (error) {
    context.err(`the demo cannot run: ${errorText(error)}`);
    return EXIT.usage;
  }
}

interface World {
  readonly folder: string;
  readonly settingsFile: string;
  readonly clamd: DemoClamd;
  readonly hub: DemoHub;
  readonly gateway: Gateway;
  readonly port: number;
}

async function openWorld(stack: AsyncDisposableStack): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), "postern-demo-"));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const hub = await startDemoHub(DEMO_PEOPLE);
  stack.defer(() => hub.close());
  const dns = await startDemoDns(demoZone());
  stack.defer(() => dns.close());
  const clamd = await openDemoClamd(stack, folder);
  const parts = { hubPort: hub.port, dnsServer: dns.server, clamd: clamd.addresses };
  const settingsFile = await writeDemoFiles(folder, parts);
  const settings = await loadSettings({ file: settingsFile, env: {}, cwd: folder });
  const gateway = await startGateway(settings, createDemoLog(folder));
  stack.defer(() => gateway.stop(DRAIN_MS));
  const [listener] = gateway.listeners;
  if (!listener) throw new Error("the gateway has no listener");
  return { folder, settingsFile, clamd, hub, gateway, port: listener.port };
}

async function sendSamples({ port, hub, clamd }: World): Promise<readonly SentSample[]> {
  const sent: SentSample[] = [];
  const samples = demoSamples(toMailDate(Date.now()));
  for (const sample of samples) {
    if (sample.needsScanner && clamd.kind === "none") continue;
    sent.push(await sendSample(sample, port, hub));
  }
  return sent;
}

const COLUMNS = ["Sample", "Client", "Became of it", "Why"].map((title) => ({ title }));

function describe({ out }: CliContext, { clamd }: World, sent: readonly SentSample[]): void {
  if (clamd.kind === "none")
    out("Antivirus is OFF in this demo: no clamd answers or is installed.");
  else out(`Antivirus: ${clamd.kind} clamd at ${clamd.addresses.join(", ")}.`);
  out("");
  const rows = sent.map(({ title, client, fate, reply, marks }) => [
    title,
    client,
    fate,
    marks || reply,
  ]);
  for (const line of renderTable(COLUMNS, rows, null)) out(line);
  out("");
  const wrong = sent.filter(({ asPromised }) => !asPromised);
  if (wrong.length === 0) out(`All ${sent.length} samples ended as they should.`);
  else out(`NOT as it should be: ${wrong.map(({ title }) => title).join(", ")}.`);
}

function explainHowToGoOn({ out }: CliContext, world: World, sent: readonly SentSample[]): void {
  const { settingsFile, folder, port } = world;
  const id = sent.find(({ id }) => id !== null)?.id;
  out("");
  out(
    `The gateway listens on 127.0.0.1:${port} for mail to alice@example.org and bob@example.org.`,
  );
  out("It keeps running; stop it with Ctrl-C. In another terminal:");
  if (id) out(`  bin/postern explain ${id} --settings ${settingsFile}`);
  out(`  bin/postern trace --settings ${settingsFile}`);
  out(`  tail -f ${folder}/postern.log`);
  out("The web console comes with a later version.");
}

function untilInterrupted(): Promise<void> {
  return new Promise((resolve) => {
    process.once("SIGINT", resolve);
    process.once("SIGTERM", resolve);
  });
}
