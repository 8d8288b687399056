export default {
  extends: "stylelint-config-standard",
  rules: {
    // Wants rules sorted by the weight of their selectors; app.css is sorted by what is on the page.
    "no-descending-specificity": null,
  },
};
