import { createSocket } from "node:dgram";
import dnsPacket, { type Answer, type StringAnswer, type TxtAnswer } from "dns-packet";

export interface DemoDns {
  /** "127.0.0.1:port" */
  readonly server: string;
  close(): Promise<void>;
}

/** Records by "TYPE name", both as DNS writes them. */
export type DemoZone = ReadonlyMap<string, readonly string[]>;

/** Answers from a table on loopback, so that the demo needs no network. UDP, A and TXT only. */
export async function startDemoDns(zone: DemoZone): Promise<DemoDns> {
  const socket = createSocket("udp4");
  socket.on("message", (query, peer) => {
    const reply = answer(zone, query);
    if (reply) socket.send(reply, peer.port, peer.address);
  });
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(0, "127.0.0.1", resolve);
  });
  return {
    server: `127.0.0.1:${socket.address().port}`,
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}

const AUTHORITATIVE = 0x0400;
const NXDOMAIN = 3;

function answer(zone: DemoZone, query: Buffer): Buffer | null {
  const { id, questions = [] } = dnsPacket.decode(query);
  const [question] = questions;
  if (!question) return null;
  const name = question.name.toLowerCase();
  const records = zone.get(`${question.type} ${name}`) ?? [];
  const exists = [...zone.keys()].some((key) => key.endsWith(` ${name}`));
  return dnsPacket.encode({
    type: "response",
    id: id ?? 0,
    flags: AUTHORITATIVE | (exists ? 0 : NXDOMAIN),
    questions: [question],
    answers: records.map((data) => toAnswer(question.type, question.name, data)),
  });
}

function toAnswer(type: string, name: string, data: string): Answer {
  const base = { name, ttl: 60, class: "IN", data } as const;
  if (type === "TXT") return { ...base, type: "TXT" } satisfies TxtAnswer;
  return { ...base, type: "A" } satisfies StringAnswer;
}
