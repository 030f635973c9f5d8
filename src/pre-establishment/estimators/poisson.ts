/**
 * The Poisson law: how much stock demand during a lead time calls for.
 *
 * A stock that is ordered up to S at each taking, under Poisson demand, finds itself empty at a request with the probability
 * P(N >= S), where N is Poisson with the mean demand of one lead time (Palm's theorem; it holds whatever the lead times' law).
 */

/** Above this mean the sum is replaced by the normal approximation: its error is far below one key there. */
const EXACT_MEAN_MAX = 500;

/**
 * The least S with P(N >= S) <= `missRatio`: so much stock, that no more than this part of all requests finds it empty.
 *
 * @param mean       demand during one lead time, in keys
 * @param dispersion  variance of demand over its mean, 1 for single keys at random: keys that come in clumps of this size
 */
export function stockFor(mean: number, dispersion: number, missRatio: number): number {
  if (mean <= 0) return 0;
  const clump = Math.max(1, dispersion);
  return clump * clumpsFor(mean / clump, missRatio);
}

function clumpsFor(mean: number, missRatio: number): number {
  if (mean > EXACT_MEAN_MAX) return Math.ceil(mean + normalQuantile(missRatio) * Math.sqrt(mean)) + 1;
  let probability = Math.exp(-mean);
  let below = probability; // P(N <= S - 1)
  let stock = 1;
  // 1 - below loses digits only far beyond the ratios that are asked for
  while (1 - below > missRatio) {
    probability *= mean / stock;
    below += probability;
    stock += 1;
  }
  return stock;
}

/** Where a standard normal variable lies above with probability `tail` (Abramowitz and Stegun 26.2.23; error below 0.0005). */
function normalQuantile(tail: number): number {
  const t = Math.sqrt(-2 * Math.log(tail));
  return t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
}
