import { createTheme, type MantineColorsTuple } from '@mantine/core';

const pine: MantineColorsTuple = [
  '#eaf5f2',
  '#d6e9e4',
  '#aed4cb',
  '#84c0b3',
  '#6cc9bd',
  '#3f9c8f',
  '#237f76',
  '#156b66',
  '#0d5c5a',
  '#0a4746',
];

/** Red that carries white text in both schemes. */
const red: MantineColorsTuple = [
  '#fdf0ed',
  '#f9e0da',
  '#f2bdb3',
  '#eb9a8b',
  '#e27a68',
  '#d65a46',
  '#c44031',
  '#b53225',
  '#ad2b1f',
  '#8f2117',
];

/** Neutrals of the light scheme: warm, from ground to text. */
const gray: MantineColorsTuple = [
  '#f7f6f2',
  '#efeee8',
  '#e2e0d8',
  '#d5d2c8',
  '#c9c6bb',
  '#a9a79d',
  '#85847c',
  '#565e5d',
  '#454b4b',
  '#2a2f30',
];

/** Neutrals of the dark scheme, in Mantine's order from text to ground. */
const dark: MantineColorsTuple = [
  '#e7e9e4',
  '#b2b9b6',
  '#969e9c',
  '#6b7472',
  '#434b4c',
  '#2f3637',
  '#202526',
  '#181c1d',
  '#111415',
  '#0c0f10',
];

export const theme = createTheme({
  colors: { pine, dark, gray, red },
  primaryColor: 'pine',
  primaryShade: { light: 8, dark: 7 },
  autoContrast: true,
  fontFamily: 'var(--sans)',
  fontFamilyMonospace: 'var(--mono)',
  defaultRadius: 6,
  fontSizes: { xs: '11px', sm: '13px', md: '14px', lg: '16px', xl: '20px' },
  respectReducedMotion: true,
  cursorType: 'pointer',
  components: {
    Modal: { defaultProps: { closeButtonProps: { 'aria-label': 'Close' } } },
    Notification: { defaultProps: { closeButtonProps: { 'aria-label': 'Close the message' } } },
  },
});
