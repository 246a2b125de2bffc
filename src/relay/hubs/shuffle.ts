/** The items in a random order, each place drawn by weight. `random`: 0 to 1. */
export function shuffleByWeight<T>(
  items: readonly T[],
  weightOf: (item: T) => number,
  random: () => number,
): readonly T[] {
  const left = [...items];
  const drawn: T[] = [];
  while (left.length > 0) {
    let at = random() * left.reduce((sum, item) => sum + weightOf(item), 0);
    let index = 0;
    for (; index < left.length - 1; index++) {
      at -= weightOf(left[index] as T);
      if (at < 0) break;
    }
    drawn.push(...left.splice(index, 1));
  }
  return drawn;
}

/** In order of rank, the lowest first; those of equal rank at random, by weight. */
export function shuffleWithinRanks<T>(
  items: readonly T[],
  rankOf: (item: T) => number,
  random: () => number,
  weightOf: (item: T) => number = () => 1,
): readonly T[] {
  if (items.length <= 1) return items;
  const ranks = [...Map.groupBy(items, rankOf)].sort(([a], [b]) => a - b);
  return ranks.flatMap(([, equals]) =>
    equals.length === 1 ? equals : shuffleByWeight(equals, weightOf, random),
  );
}
