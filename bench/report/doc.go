// Package report turns the raw lines of benchmark runs into figures: medians,
// ratios taken within a round, marks against the targets, a table for the
// terminal and for Markdown, and a plot.
package report
