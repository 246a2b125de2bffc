import { createSocket } from "node:dgram";
import { encode } from "dns-packet";

const PROBE_MS = 200;

/** Whether somebody on this UDP port of 127.0.0.1 answers for the SOA of the name. */
export function answersDns(port: number, name: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket("udp4");
    const finish = (answered: boolean) => {
      clearTimeout(limit);
      socket.close();
      resolve(answered);
    };
    const limit = setTimeout(finish, PROBE_MS, false);
    socket.once("message", () => finish(true));
    /** Connected, so that ICMP "port unreachable" comes back as an error and not as silence. */
    socket.once("error", () => finish(false));
    socket.connect(port, "127.0.0.1", () => {
      socket.send(encode({ type: "query", id: 1, questions: [{ type: "SOA", name }] }));
    });
  });
}
