import { createSystemClock } from "./base/clock.ts";
import { createLog, type Log } from "./base/log.ts";
import { logBugs } from "./base/log-bugs.ts";
import type { ProcessChannel } from "./base/process-channel.ts";
import { beginGateway } from "./compose-gateway-role.ts";
import type { Order, SupervisorOperations } from "./compose-roles.ts";
import { beginService } from "./compose-service-role.ts";
import { serveSupervisor } from "./workers/kept-self.ts";

// When the supervisor is killed nobody reads our log any more, and that must not end the process in
// the middle of its last messages.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});

/** One process of a gateway with several workers; what it is, its supervisor says. */
serveSupervisor(
  createSystemClock(),
  (order: Order, supervisor: ProcessChannel<SupervisorOperations>) => {
    const log: Log = createLog(order.settings.log).with({ process: order.name });
    logBugs(log);
    const begin = order.role === "service" ? beginService : beginGateway;
    return begin(order, log, supervisor);
  },
);
