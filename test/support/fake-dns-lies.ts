import { type Answer, type DecodedPacket, encode, type Packet, type Question } from "dns-packet";

const LIES = ["wrong-id", "wrong-question", "wrong-source", "rubbish", "loop"] as const;

/** How an answer that nobody may believe is wrong. What it says would let any mail pass. */
export type Lie = (typeof LIES)[number];

export function isLie(text: string): text is Lie {
  return LIES.some((lie) => lie === text);
}

/** The datagrams, in that order. That of `wrong-source` is wrong only by where it comes from. */
export function toLies(lie: Lie, query: DecodedPacket): readonly Buffer[] {
  const [question] = query.questions ?? [];
  if (!question) return [];
  const id = query.id ?? 0;
  const answers = [tempting(question)];
  const honest: Packet = { type: "response", id, questions: [question], answers };
  switch (lie) {
    case "wrong-id":
      return [encode({ ...honest, id: (id + 1) & 0xffff }), encode({ ...honest, id: id ^ 0x8000 })];
    case "wrong-question":
      return [
        encode({ ...honest, questions: [{ ...question, name: "other.test" }] }),
        encode({ ...honest, questions: [{ ...question, type: "CAA" }] }),
        encode({ ...honest, questions: [] }),
        encode({ ...honest, questions: [question, question] }),
      ];
    case "wrong-source":
      return [encode(honest)];
    case "rubbish":
      return [Buffer.alloc(0), Buffer.from("rubbish"), cut(encode(honest)), header(id)];
    case "loop":
      return [pointerLoop(id, question)];
  }
}

function tempting({ name, type }: Question): Answer {
  if (type === "MX") return { type, name, ttl: 60, data: { preference: 1, exchange: "evil.test" } };
  if (type === "A") return { type, name, ttl: 60, data: "127.0.0.1" };
  const text = name.startsWith("_dmarc.") ? "v=DMARC1; p=none" : "v=spf1 +all";
  return { type: "TXT", name, ttl: 60, data: text };
}

/** The answer says that it has a record and ends within it. */
function cut(bytes: Buffer): Buffer {
  return bytes.subarray(0, bytes.length - 5);
}

function header(id: number): Buffer {
  return encode({ type: "response", id, questions: [] });
}

/** A record whose name is a compression pointer to itself (RFC 1035 4.1.4). */
function pointerLoop(id: number, question: Question): Buffer {
  const start = encode({ type: "response", id, questions: [question] });
  start.writeUInt16BE(1, 6);
  const pointer = Buffer.alloc(2);
  pointer.writeUInt16BE(0xc000 | start.length);
  const rest = Buffer.from([0, 16, 0, 1, 0, 0, 0, 60, 0, 0]);
  return Buffer.concat([start, pointer, rest]);
}
