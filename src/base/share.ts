/**
 * The part of one process in what all processes of a gateway may use together: connections to a
 * hub, places at a scanner, memory. At least one, so that none is locked out.
 */
export function shareOf(total: number, processes: number): number {
  return Math.max(1, Math.floor(total / processes));
}
