import { parseArgs } from "node:util";
import { cpuMsOf } from "./process-cpu.ts";
import { type Subject, startSubjects } from "./relay-subjects.ts";
import { sendLoad, startCountingSink } from "./smtp-load.ts";

/** Messages a second through several servers in turns; what and how: README.md. */
const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    messages: { type: "string", default: "8000" },
    sessions: { type: "string", default: "20,100" },
    bytes: { type: "string", default: "4096" },
    only: { type: "string", default: "" },
  },
});
const rounds = Number(values.rounds);
const messages = Number(values.messages);
const bytes = Number(values.bytes);
/** Messages a session before each turn. */
const CONNECTING = 2;
const REFERENCES: readonly string[] = ["bare proxy", "Postfix"];

/** Messages a second, one for each round: until the sender had its last 250, and until the sink had the last. */
interface Rates {
  readonly subject: Subject;
  readonly accepted: number[];
  readonly delivered: number[];
  /** Microseconds of CPU a message, of all its processes and threads. */
  readonly cpu: number[];
}

await using stack = new AsyncDisposableStack();
const sink = await startCountingSink();
stack.defer(() => sink.stop());
const only = new RegExp(values.only, "i");
const isMeant = (name: string) => only.test(name);
const subjects = await startSubjects(stack, sink.port, isMeant);
for (const sessions of values.sessions.split(",").map(Number)) {
  const all = subjects.map((subject): Rates => ({ subject, accepted: [], delivered: [], cpu: [] }));
  // What compiles at the first message counts for nobody.
  for (const { subject } of all) await measure(subject, sessions, messages);
  for (let round = 0; round < rounds; round++) for (const rates of all) await add(rates, sessions);
  process.stderr.write("\n");
  process.stdout.write(`\n${sessions} sessions, ${bytes} octets\n`);
  for (const rates of all) process.stdout.write(`${describe(rates, all)}\n`);
}

async function add(rates: Rates, sessions: number): Promise<void> {
  const { subject, accepted, delivered, cpu } = rates;
  // Nor do connections to the sink, which a server may have given up while the others had their turn.
  await measure(subject, sessions, sessions * CONNECTING);
  const before = await cpuMsOf(subject.pid);
  const [sent, arrived] = await measure(subject, sessions, messages);
  accepted.push(sent);
  delivered.push(arrived);
  cpu.push((((await cpuMsOf(subject.pid)) - before) * 1000) / messages);
  process.stderr.write(".");
}

async function measure(
  { port, to }: Subject,
  sessions: number,
  messages: number,
): Promise<readonly [number, number]> {
  const start = performance.now();
  const rate = () => (messages * 1000) / (performance.now() - start);
  await sendLoad({ port, to, messages, bytes, sessions });
  const sent = rate();
  await sink.drained(messages);
  return [sent, rate()];
}

/** Ratios are of rounds, then the median: neighbours in time suffer from the same noise. */
function describe({ subject, accepted, delivered, cpu }: Rates, all: readonly Rates[]): string {
  const ratios = all
    .filter((other) => REFERENCES.includes(other.subject.name) && other.subject !== subject)
    .map((other) => {
      const [a, d] = [ratioOf(accepted, other.accepted), ratioOf(delivered, other.delivered)];
      return `${a} (${d}) x ${other.subject.name}`;
    });
  const [sent, arrived, used] = [accepted, delivered, cpu].map((all) => Math.round(median(all)));
  const rate = `${sent}/s, delivered ${arrived}/s, CPU ${used} us`;
  return `${subject.name.padEnd(32)} ${rate.padEnd(42)} ${ratios.join(", ")}`;
}

function ratioOf(own: readonly number[], others: readonly number[]): string {
  return median(own.map((rate, round) => rate / (others[round] ?? 0))).toFixed(2);
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;
}
