/** Parts of connections.max. Between them nothing changes, so that a gateway at the edge does not flap. */
const ENTERS_ABOVE = 0.8;
const LEAVES_BELOW = 0.6;

/** Whether so many clients are connected that each gets less patience (behaviour.md section 5). */
export interface Stress {
  isOn(): boolean;
  /** To be told whenever a connection comes or goes. */
  update(openConnections: number): void;
}

/** `max` is asked each time, so that a reload holds at once. `changed` is called on every change. */
export function createStress(max: () => number, changed: (isOn: boolean) => void): Stress {
  let isOn = false;
  return {
    isOn: () => isOn,
    update(open) {
      const bound = max() * (isOn ? LEAVES_BELOW : ENTERS_ABOVE);
      const next = isOn ? open >= bound : open > bound;
      if (next === isOn) return;
      isOn = next;
      changed(isOn);
    },
  };
}
