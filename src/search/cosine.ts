/** Cosine annealing (arXiv 1608.03983, without restarts), the course of a learning rate. */

/** `end + (start − end)·(1 + cos(π·progress))/2`, progress from 0 to 1. */
export function cosine(start: number, end: number, progress: number): number {
  return end + ((start - end) * (1 + Math.cos(Math.PI * Math.min(1, Math.max(0, progress))))) / 2;
}
