import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startFakeDns } from "../test/support/fake-dns.ts";
import { spawnGateway } from "../test/support/gateway-process.ts";
import { RawClient } from "../test/support/raw-client.ts";
import { startSinkHub } from "../test/support/sink-hub.ts";
import { writeGatewayFiles } from "../test/support/test-gateway.ts";
import { spawnTied } from "../test/support/tied-process.ts";
import { waitUntil } from "../test/support/wait-until.ts";

/** Messages a second through several servers in turns; what and how: README.md. */
const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "4" },
    clients: { type: "string", default: "16" },
    bytes: { type: "string", default: "4096" },
  },
});
const rounds = Number(values.rounds);
const roundMs = Number(values.seconds) * 1000;
const clients = Number(values.clients);
const message = toMessage(Number(values.bytes));

interface Subject {
  readonly name: string;
  readonly port: number;
  readonly to: string;
  /** Messages a second, one for each round. */
  readonly rates: number[];
}

await using stack = new AsyncDisposableStack();
const subjects = await startSubjects(stack);
for (let round = 0; round < rounds; round++) {
  for (const subject of subjects) {
    subject.rates.push(await measure(subject));
    process.stderr.write(".");
  }
}
process.stderr.write("\n");
const reference = median(subjects[0]?.rates ?? []);
for (const subject of subjects) process.stdout.write(`${describe(subject, reference)}\n`);

async function startSubjects(stack: AsyncDisposableStack): Promise<readonly Subject[]> {
  const hub = await startSinkHub();
  stack.defer(() => hub.close());
  const barePort = await startBareProxy(stack, hub.port);
  const port = await startPostern(stack, hub.port);
  return [
    { name: "smtp-server + SMTPConnection", port: barePort, to: "a@hub.test", rates: [] },
    { name: "Postern, ack: hub", port, to: "a@hub.test", rates: [] },
    { name: "Postern, ack: spool", port, to: "a@spool.test", rates: [] },
  ];
}

async function startBareProxy(stack: AsyncDisposableStack, hubPort: number): Promise<number> {
  const script = join(import.meta.dirname, "bare-proxy.ts");
  const proxy = spawnTied(process.execPath, [script, String(hubPort)]);
  stack.defer(() => proxy.stop());
  return waitUntil(
    () => `the bare proxy does not listen: ${proxy.output()}`,
    () => Number(/^\d+$/m.exec(proxy.output())?.[0]) || undefined,
  );
}

/** With SPF from a DNS server in this process, and without a scanner. */
async function startPostern(stack: AsyncDisposableStack, hubPort: number): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "postern-bench-"));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const dns = await startFakeDns({ "friend.test": { TXT: ["v=spf1 ip4:127.0.0.0/8 -all"] } });
  stack.defer(() => dns.close());
  const domains = { "hub.test": { verify: "off" }, "spool.test": { verify: "off", ack: "spool" } };
  const hub = { domains: Object.keys(domains), smarthosts: [`127.0.0.1:${hubPort}`] };
  const settingsFile = await writeGatewayFiles(folder, {
    hubPort,
    dnsServer: dns.address,
    policies: {
      domains: { domains },
      routing: { connectors: { hub } },
      limits: {
        connections: { newPerClientPerMinute: 100_000 },
        session: { transactions: 1_000_000 },
      },
    },
  });
  const gateway = spawnGateway({ settingsFile });
  stack.defer(() => gateway.stop());
  return gateway.listening();
}

async function measure(subject: Subject): Promise<number> {
  const start = performance.now();
  const talks = Array.from({ length: clients }, (_, i) =>
    talk(subject, start + roundMs, `127.0.1.${i + 1}`),
  );
  const sent = (await Promise.all(talks)).reduce((sum, count) => sum + count, 0);
  return (sent * 1000) / (performance.now() - start);
}

/** One message after the other over one connection; how many until the end. */
async function talk({ port, to }: Subject, end: number, localAddress: string): Promise<number> {
  const client = await RawClient.open({ port, localAddress });
  const expect = async (code: number, line: string) => {
    const reply = await client.say(line);
    if (reply.code !== code) throw new Error(`${line.slice(0, 40)}: ${reply.text}`);
  };
  await client.reply();
  await expect(250, "EHLO mail.friend.test");
  let sent = 0;
  for (; performance.now() < end; sent++) {
    await expect(250, "MAIL FROM:<carol@friend.test>");
    await expect(250, `RCPT TO:<${to}>`);
    await expect(354, "DATA");
    await expect(250, `${message}.`);
  }
  await client.say("QUIT");
  client.destroy();
  return sent;
}

function toMessage(bytes: number): string {
  const header = "From: <carol@friend.test>\r\nTo: <a@hub.test>\r\nSubject: bench\r\n\r\n";
  const line = `${"0123456789".repeat(7)}\r\n`;
  return header + line.repeat(Math.max(1, Math.round((bytes - header.length) / line.length)));
}

function describe({ name, rates }: Subject, reference: number): string {
  const rate = median(rates);
  const range = `${Math.round(Math.min(...rates))}-${Math.round(Math.max(...rates))}`;
  const ratio = (rate / reference).toFixed(2);
  return `${name.padEnd(30)} ${Math.round(rate)} messages/s (${range}), ratio ${ratio}`;
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;
}
