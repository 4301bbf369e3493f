"""The floor: what Streamlit costs with one button and nothing else."""

import streamlit as st

st.button("Nothing")
